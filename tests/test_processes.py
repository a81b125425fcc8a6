"""ostinato.nn in several processes and threads: shared weights, loaders' workers, distributed training, forks, interrupts."""

import os
import signal
import threading
import time

import pytest
import tolerances
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from tolerances import GRADIENTS
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

import ostinato.nn

PATIENCE = 120  # seconds for another process to do anything at all
KINDS = ["RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell", "lem"]


def layer(kind, inputs=8, hidden=16):
    torch.manual_seed(0)
    made = getattr(ostinato.nn, kind, None)
    options = {"dtype": torch.float64}
    return made(inputs, hidden, **options) if made else ostinato.nn.Recurrent(kind, inputs, hidden, **options)


def inputs(kind, batch=6):
    torch.manual_seed(1)
    return torch.randn(*((batch, 8) if "Cell" in kind else (5, batch, 8)), dtype=torch.float64)


def first(result):
    return result if isinstance(result, torch.Tensor) else result[0]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------- weights in shared memory


def other_process(modules, pipe):
    """Answers with its results, twice; then trains a step on the shared weights."""
    torch.set_num_threads(1)  # torch's own threads do not survive a fork
    for _ in range(2):
        pipe.recv()
        pipe.send([first(m(inputs(kind))).detach().numpy() for kind, m in modules.items()])
    for kind, m in modules.items():
        first(m(inputs(kind))).sum().backward()
        torch.optim.SGD(m.parameters(), lr=0.1).step()
    pipe.send("trained")


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_weights_in_shared_memory(start):
    """What one process writes the other computes with, in both directions."""
    modules = {kind: layer(kind).share_memory() for kind in KINDS}
    context = multiprocessing.get_context(start)
    here, there = context.Pipe()
    child = context.Process(target=other_process, args=(modules, there), daemon=True)  # ends with us, should this fail

    def ours():
        return [first(m(inputs(kind))).detach().numpy() for kind, m in modules.items()]

    def answer():
        assert here.poll(PATIENCE)
        return here.recv()

    before = ours()
    child.start()
    here.send("go")
    assert all((a == b).all() for a, b in zip(answer(), before, strict=True))
    with torch.no_grad():
        for m in modules.values():
            torch._foreach_mul_(list(m.parameters()), 2)
    edited = ours()
    assert all((a != b).any() for a, b in zip(edited, before, strict=True))
    here.send("go")
    assert all((a == b).all() for a, b in zip(answer(), edited, strict=True))
    assert answer() == "trained"
    for kind, m in modules.items():
        fresh = layer(kind)
        fresh.load_state_dict(m.state_dict())
        assert torch.equal(first(m(inputs(kind))), first(fresh(inputs(kind))))
    assert all((a != b).any() for a, b in zip(ours(), edited, strict=True))
    child.join(PATIENCE)
    assert child.exitcode == 0


# ---------------------------------------------------------------- loaders


class Encoded(Dataset):
    """Sequences as a layer encodes them, in whatever process asks for them."""

    def __init__(self, module):
        self.module = module

    def __len__(self):
        return 12

    def __getitem__(self, k):
        torch.manual_seed(k)
        x = torch.randn(40, 8, dtype=torch.float64)
        with torch.no_grad():
            return x, self.module(x)[0]


def test_loaders_whose_workers_run_a_layer(two_threads):
    """Workers forked off a process whose engine has threads, while it goes on training between their batches."""
    encoder, trained = layer("GRU"), layer("LSTM", 8, 64)
    optimiser = torch.optim.SGD(trained.parameters(), lr=0.01)
    data = Encoded(encoder)
    for _ in range(2):
        trained(torch.randn(50, 32, 8, dtype=torch.float64))[0].sum().backward()  # threads are awake
        seen = 0
        for x, encoded in DataLoader(data, batch_size=3, num_workers=2, multiprocessing_context="fork", timeout=PATIENCE):
            trained(x)[0].sum().backward()
            optimiser.step()
            assert torch.equal(encoder(x.transpose(0, 1))[0].transpose(0, 1), encoded)
            seen += len(x)
        assert seen == len(data)


# ---------------------------------------------------------------- distributed training


class Net(torch.nn.Module):
    """Layers of every kind side by side, a map of all to one number a row, and a layer that may be left out."""

    def __init__(self, extra=False):
        super().__init__()
        self.layers = torch.nn.ModuleDict({kind: layer(kind) for kind in KINDS})
        torch.manual_seed(2)
        self.map = torch.nn.Linear(16 * len(KINDS), 1, dtype=torch.float64)
        self.extra = layer("GRU") if extra else None

    def forward(self, x):
        each = [first(m(x[-1] if "Cell" in kind else x)) for kind, m in self.layers.items()]
        return self.map(torch.cat([y if y.dim() == 2 else y[-1] for y in each], -1))


HOW = {
    "mean": {},
    "sum": {},
    "unused": {"find_unused_parameters": True},
    "static": {"static_graph": True},
    "bucket views": {"gradient_as_bucket_view": True},
}


def target(y, how):
    return y.sin().sum() if how == "sum" else y.sin().mean()


def replica(rank, world, where):
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{where}/meet", rank=rank, world_size=world)
    x = inputs("LSTM")
    mine = x.chunk(world, 1)[rank]
    found = {}
    for how, options in HOW.items():
        model = DistributedDataParallel(Net(extra=how == "unused"), **options)
        for _ in range(2):  # a static graph is learned in the first
            model.zero_grad()
            target(model(mine), how).backward()
        with model.no_sync():  # gathered here alone, then together
            target(model(mine[:, :1]), how).backward()
        target(model(mine), how).backward()
        found[how] = {n.removeprefix("module."): p.grad for n, p in model.named_parameters()}
    torch.save(found, f"{where}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


def test_distributed_training(tmp_path):
    """Gradients of two processes, each with half of the rows, are those of one process with all of them."""
    multiprocessing.spawn(replica, (2, str(tmp_path)), nprocs=2)
    ranks = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    x = inputs("LSTM")
    for how in HOW:
        model = Net()
        world = 2 if how == "sum" else 1  # gradients are averaged over processes
        for _ in range(2):
            target(model(x), how).backward()
        target(model(x[:, [0, 3]]), how).backward()
        for n, p in model.named_parameters():
            assert torch.equal(ranks[0][how][n], ranks[1][how][n])
            assert tolerances.distance(ranks[0][how][n], p.grad / world) <= GRADIENTS["float64"], (how, n)
    assert all(g is None or not g.any() for n, g in ranks[0]["unused"].items() if n.startswith("extra"))


# ---------------------------------------------------------------- forks, interrupts, threads


def test_forks_while_another_thread_is_in_the_engine(two_threads):
    module, x = layer("GRU", 8, 64), torch.randn(50, 32, 8, dtype=torch.float64)
    with torch.no_grad():
        want = module(x)[0]
        done = threading.Event()

        def work():
            while not done.is_set():
                module(x)

        busy = threading.Thread(target=work)
        busy.start()
        try:
            children = []
            for _ in range(8):
                child = os.fork()
                if child == 0:
                    os._exit(0 if (module(x)[0].numpy() == want.numpy()).all() else 1)
                children.append(child)
                time.sleep(0.01)
            assert [ended(child) for child in children] == [0] * len(children)
        finally:
            done.set()
            busy.join()
        assert torch.equal(module(x)[0], want)


def ended(child):
    """A child's exit status; one that hangs is killed and has none."""
    for _ in range(PATIENCE * 20):
        gone, status = os.waitpid(child, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def test_interrupts_leave_a_layer_as_it_was():
    """KeyboardInterrupt at any moment of training: the next call is right."""
    module, x = layer("LSTM", 8, 32), torch.randn(200, 8, 8, dtype=torch.float64)
    params = list(module.parameters())
    want = torch.autograd.grad(module(x)[0].sum(), params)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for k in range(30):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.0007 * k)
                while True:
                    torch.autograd.grad(module(x)[0].sum(), params)
            assert all(map(torch.equal, torch.autograd.grad(module(x)[0].sum(), params), want))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_train_one_layer_at_once(kind, two_threads):
    """Each thread its own data and its own gradients, on the same weights, which a third thread's call packs too."""
    module = layer(kind)
    xs = [inputs(kind, batch) for batch in (2, 7, 33, 40)]
    params = list(module.parameters())

    def grads(x):
        return torch.autograd.grad(first(module(x)).sin().sum(), params, allow_unused=True)

    want, got = [grads(x) for x in xs], {}

    def work(k):
        got[k] = [grads(xs[k]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(xs))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for k, expected in enumerate(want):
        for found in got[k]:
            assert all(map(torch.equal, found, expected))
