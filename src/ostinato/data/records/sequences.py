"""Labelled sequences."""

from __future__ import annotations

from ..fetched import Fetched
from ..genes import GeneCourses
from ..published import Published
from ..sequences import ClassifyTask, LabelledSequences

JAPANESE_VOWELS = LabelledSequences(
    name="japanese-vowels",
    application="series classes",
    title="Nine men say /ae/: who speaks?",
    source="aeon 1.6.0 on PyPI, from the UCI repository (Kudo, Toyama and Shimbo 1999)",
    licence="BSD-3-Clause",
    caveat="Both parts hold the same nine speakers, in order of their label. 370 test sequences: one is 0.27 % of the accuracy.",
    parts={
        "train": Published("japanese-vowels-train.ts.gz", "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd"),
        "test": Published("japanese-vowels-test.ts.gz", "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462"),
    },
    count={"train": 270, "test": 370},
    features=tuple(f"dim_{k}" for k in range(12)),
    classes=tuple("123456789"),
    lengths=(7, 29),
    suggested=ClassifyTask(
        bidirectional=True,
        readout="max",
        hidden_size=64,
        dropout=0.5,
        layer_norm=True,
        batch_size=32,
        max_epochs=60,
        schedule="OneCycleLR",
        validation_fraction=0.0,
    ),
)

YEAST = GeneCourses(
    name="yeast",
    application="gene expression",
    title="Genes of baker's yeast in 79 conditions: what do they make?",
    source="orange3 3.40.0 on PyPI, from Brown et al. 2000 (measured by Eisen et al. 1998)",
    licence="GPL-3.0-or-later (the package)",
    caveat="186 genes: one of the test is 3 % of the accuracy; repeat with folds. The nearest neighbour is hard to beat.",
    parts={},
    count={"train": 146, "test": 40},
    features=("log_ratio", "alpha", "Elu", "cdc15", "spo", "spo5", "spo-", "heat", "dtt", "cold", "diau"),
    classes=("Proteas", "Resp", "Ribo"),
    lengths=(79, 79),
    suggested=ClassifyTask(
        bidirectional=True,
        readout="max",
        hidden_size=32,
        dropout=0.5,
        layer_norm=False,
        batch_size=16,
        max_epochs=30,
        schedule="OneCycleLR",
        validation_fraction=0.0,
        l2=1e-3,
        ensemble=5,
    ),
    file=Fetched(
        name="yeast",
        registry="PyPI",
        package="orange3",
        version="3.40.0",
        archive="orange3-3.40.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        archive_sha256="1c24dc6df818be26710d6d8d7595a8a50682e3c99e6e3bdabe14591e26f5a85b",
        members=("Orange/datasets/brown-selected.tab*", "orange3-3.40.0.dist-info/licenses/LICENSE"),
        root="Orange/datasets/",
        licence="orange3-3.40.0.dist-info/licenses/LICENSE",
        download=6557805,
        size=99191,
        sha256="0fd392f5a28df240e7940d2ffd2d2f66302be96247d426f5d995bc14afab5da0",
    ),
    member="brown-selected.tab",
    missing=214,
)
