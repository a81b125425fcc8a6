"""Protein chains."""

from __future__ import annotations

from dataclasses import replace

from ..fetched import Fetched
from ..proteins import ChainFiles, StructureDB
from ..published import Published
from ..tagged import TagTask

SOURCE = "promod3-data 3.2.1 of Debian (ProMod3's database of structures, from the Protein Data Bank)"
STATES = ("B", "C", "E", "G", "H", "I", "S", "T")
SPLIT = (
    "500 chains by a hash for the test; no chain to learn from aligns with one of them by a Smith-Waterman score of 90 "
    "(BLOSUM62, gaps 11 and 1); there is no published split"
)

# A profile, or with --text residue the sequence alone.
SUGGESTED = TagTask(
    label="q8",
    coarse="q3",
    train_sequences=2000,
    hidden_size=64,
    num_layers=2,
    dropout=0.2,
    embedding_size=32,
    token_dropout=0.02,
    embedding_dropout=0.0,
    suffixes=0,
    prefixes=0,
    learning_rate=5e-3,
    schedule="OneCycleLR",
    batch_size=16,
    max_epochs=6,
    validation_fraction=0.02,
)

PROTEINS = StructureDB(
    name="proteins",
    application="protein structure",
    title="Protein chains: helix, strand or coil at each residue?",
    source=SOURCE,
    licence="Apache-2.0",
    caveat="Relatives too distant for an alignment may remain. How the source chose the chains and made the profiles is not stated.",
    file=Fetched(
        name="proteins",
        registry="Debian",
        package="promod3-data",
        version="3.2.1",
        archive="promod3-data_3.2.1+ds-6_all.deb",
        members=("usr/share/promod3/loop_data/structure_db.dat", "usr/share/doc/promod3-data/copyright"),
        root="usr/share/promod3/loop_data/",
        licence="usr/share/doc/promod3-data/copyright",
        download=371348316,
        size=520682328,
        sha256="acff024eeedcba7654ce328cf4a5a252384b9205fc3c41d9a8ff7858920b9435",
    ),
    member="structure_db.dat",
    split_list=Published("proteins-split.txt.gz", "959c4f67f5b6a4ade4f38c8a704360dbe986e4cd9eb159a6ec4be14ed6d58c8a"),
    shortest=30,
    count={"train": 17056, "test": 500},
    tags=STATES,
    lengths=(30, 1754),
    steps={"train": 3606198, "test": 112775},
    split=SPLIT,
    suggested=SUGGESTED,
)

PROTEINS_SMALL = ChainFiles(
    name="proteins-small",
    application="protein structure",
    title="500 of the chains, of 40 to 200 residues",
    source=SOURCE,
    licence="Apache-2.0",
    caveat="Enough to try things on; scores compare with each other, not with those on the whole.",
    text=Published("proteins-small.txt.gz", "f0445de52e85034e345e7ebc9747044de60285d4982065eee9babb63b0765110"),
    frequencies=Published("proteins-small-frequencies.i2.gz", "0a1930ae5348fe388b1fc300eea9b4be3b2883cf5ab83d6e243eec6d5599ddac"),
    count={"train": 400, "test": 100},
    tags=STATES,
    lengths=(41, 200),
    steps={"train": 49910, "test": 12565},
    split="drawn from the parts of `proteins`",
    suggested=replace(SUGGESTED, train_sequences=None, max_epochs=15, validation_fraction=0.1),
)
