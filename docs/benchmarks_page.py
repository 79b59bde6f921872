"""Writes docs/benchmarks.md from what the benchmarks recorded: run it after them, or let tests/test_docs.py
say when.
"""

import json
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("benchmarks.md")
RECORDS = Path(__file__).parent.parent / "tests" / "benchmarks" / "measured"

Record = dict[str, Any]

HEAD = """# Benchmarks

Every table but those of other processors came into this page by `python docs/benchmarks_page.py`, from what
the command above it recorded; what sentences and those tables say was measured by the same commands on other
days or machines. Figures are medians; brackets hold the lowest and the highest. *Load* is how many processes
wanted a core when a case was done, the measured ones among them: where it is more than the cores, ratios
count, not rates.

All of it again takes about two hours of two cores (FB15k is not in this repository: `train.tsv.gz`,
`valid.tsv.gz` and `test.tsv.gz` of head, relation, tail):

```sh
python tests/benchmarks/against_pbg.py --fb15k FOLDER --record
python tests/benchmarks/against_pbg.py --cases b --fb15k FOLDER --gradient-candidates 100 --record
python tests/benchmarks/own_limits.py --record
python tests/benchmarks/memory.py
python tests/benchmarks/partitions.py --fb15k FOLDER --record
python tests/benchmarks/size.py --record
python tests/benchmarks/kernel_speed.py --record
python tests/benchmarks/scaling.py --crates-io FOLDER --record
python tests/benchmarks/simulated_scaling.py --leases 40 --record
python docs/benchmarks_page.py
```
"""

AGAINST = """## Against PyTorch-BigGraph

`python tests/benchmarks/against_pbg.py --fb15k FOLDER --record`

The command makes an environment of its own for PBG (`torchbiggraph` 1.0.0, `torch` 2.13.0) and trains the
same edges with both, an epoch each in turn: the same dimension, operator, comparator, loss, learning
rate, candidates per edge, and number of threads (there: workers). PBG has batches of 1,000 edges, of which 50
at a time share their candidates, and steps after each batch; daskgraph has batches of those 50.

- **Timed** is the clock on the wall while an epoch's edges are read, shuffled and trained, after an epoch
  each to warm up. Not timed on either side: starting, compiling, importing the graph, writing the model.
- **Processor time** is that of all threads, or workers, in an epoch, writing the model included.
- **Share of the machine**: operations in the matrix products that a batch can not do without, over what
  products of 1024 × 1024 by SciPy's BLAS reach on as many threads, right after each pair. In a and d2 the
  loss has a margin, most gradients are 0, and most products on the way back are left out: there the share is
  what they would take. So it is where gradients are rounded (`--gradient-candidates`).
- **MRR** is of held-out edges, after the same epochs, by daskgraph's evaluator on both models: filtered,
  both sides, against all entities (in c against 100,000 drawn ones). b is FB15k; other graphs are drawn,
  with communities planted in them.

Where daskgraph's MRR is more than 1 % below PBG's, the command ends with 1. MRR of one training each differs
by a per cent from one machine to another, so that 1 % may be chance: train again with other pairs then.

What the ratios are depends on the processor and on its other guests: on one day daskgraph's rate in a
changed by a third from one pair to the next, PBG's by a tenth. The tables further below are of an Intel Xeon
with AVX-512, but for b-rounded, which is of the Zen 3 and of older code. This one is of other processors, in
three to five pairs each, by code of some days before on the Zen 5, by that of the day before on the Zen 3:

| processor | a | b | c | d1 | d2 | evaluation |
|---|---:|---:|---:|---:|---:|---:|
| AMD EPYC, AVX-512 (Zen 5) | 8.7 × | 7.0 × | 6.0 × | 5.3 × | 9.6 × | 5.9 × |
| its share of that machine | 0.80 | 1.13 | 0.74 | 0.83 | 0.93 | |
| AMD EPYC, AVX2 (Zen 3) | 7.5 × | 4.1 × | 4.3 × | 4.0 × | 8.4 × | 5.3 × |
| its share of that machine | 0.56 | 0.58 | 0.41 | 0.40 | 0.64 | |
| aimed at | 10 × | 4 × | 7 × | 5 × | 5 × | 5 × |
| its share | 0.6 | 0.65 | | | | |

What was changed since the Zen 5 was measured, by trainings or batches of the code before and after in turn:
positives are read off the in-batch block, rows stepped by eights and edges shuffled in stacks (on the Zen 3 a
is 1.14 times as fast, c 1.10, d1 1.08); gradients are written, not added to zeros (there a batch of c takes
0.94 of its time, of b and d1 0.97); candidates are screened by integers (there the evaluation takes 0.84 of
its time); tables of entities begin at a cache line (on the Xeon a batch of c takes 0.955 of its time).

Missed are the aims of a and c on each of these processors, of d1 on the Zen 3 and on the Xeon, of the
evaluation on the Xeon, of both shares on these two, and of c's MRR in the run below. There the best pair in a
was 8.9 ×. In c seven times PBG's rate would leave 85 µs of a thread for a batch of 50 edges, read and
shuffled; training alone takes one thread 96 in the table of kernels below, of which 47 are what the products
take by BLAS. What each function takes is told by the same command: next to products it is asking memory for
the rows of the next batch, the loss and the step.

MRR was above PBG's, or less than 1 % below, but in d2 on the Zen 5, 0.0930 beside 0.0941, and in c on the
Xeon, 0.2937 beside 0.2979. More trainings of c there say what chance does: five of daskgraph's had 0.2937 to
0.2949, 0.2943 in the mean, three of PBG's 0.2941, 0.2979 and 0.2981, 0.2967 in the mean, which is 0.8 % more;
on the Zen 3 one each had 0.2954 and 0.2943. d1 is trained beyond its best on both sides: after two epochs the
MRR was 0.111 beside 0.109. Shares above 1 say that SciPy's BLAS, by which they are measured, does not reach
what a processor can; it is measured in each pair's own minute, and differs with that.

A commit that is "-dirty" differs from that commit by records of the same run only.
"""

EVALUATION = """### Evaluation

FB15k's test edges, filtered, against all entities: the whole call here; there without the start of the
workers and without the lists of known answers. By its own evaluator PBG's model has an MRR of
{by_pbg:.4f}, by ours {by_own:.4f}: equal scores count wholly against an edge there, half here.
"""

OWN = """## By itself

`python tests/benchmarks/own_limits.py --record`

Aimed at: 1.85 times as fast by two threads as by one; 2,000,000 entities within 30 % of 100,000; 300 MB
beside tables, sums and a slice; less than 3 s to the first batches. Two threads are short of that here and
on the Zen 3; two of five beginnings took longer, up to 3.4 s.

On the Zen 3 the figures were 1.79 × (large products alone: 2.03 ×), 0.96 ×, 275 MB and 2.9 s. On an Intel
Xeon with AVX-512 some days before the first batches came after 1.7 s; of eight trainings for the memory held
there one held 351 MB, the others 270 to 281.
"""

BIGGER = """## Bigger than memory

`python tests/benchmarks/memory.py`, `python tests/benchmarks/partitions.py --fb15k FOLDER --record`,
`python tests/benchmarks/size.py --record`

*Above idle* is the most memory that a process held, less what it held after a tiny training with the same
kernels; *planned* is what `daskgraph plan` said of that. The MRR is of held-out edges, filtered, both
sides, against all entities of the graph.

Partitions that are exchanged one at a time, once an epoch, cost quality where entities are few: FB15k lost
6.9 % so. [Bigger than memory](bigger-than-memory.md) says what is done instead. What is left shows where
partitions are tiny: CoDEx-S has 2,034 entities, and in 16 partitions, four of them in memory, it loses 5.6 %
(d = 64, 15 epochs, one seed: 0.307 in the place of 0.325; 0.287 by the order `beta`).
"""

KERNELS = """## Kernels

`python tests/benchmarks/kernel_speed.py --record`

One thread, random tables and edges; processor time of the fastest of several runs. *Products alone* are
those of a batch as plain `sgemm`, A · B, with nothing between. The command also tells what each function
takes.
"""

SCALING = """## Two workers

`python tests/benchmarks/scaling.py --crates-io FOLDER --record`

Processes of one thread each on one machine, one and two in turn, two epochs of one sweep after a first one,
8 partitions: 16,000,000 random edges between 400,000 entities (translation, cos, ranking, d = 100, 50 +
50), 3,000,000 such edges against many candidates (ComplEx in both directions, softmax, d = 100, 1,000
drawn; the row *many*), and crates-io with [its config](../examples/crates-io.toml). Shares are of all
workers' time: in kernels, waiting for partitions and edges, committing, without anything to train since
others had what was left, and the rest, which is messages and the beginning. *Large products* tell what the
machine has for two: products of 1024 × 1024 on two threads at once, over those on one. *Two trainings
apart* tell what it has for two of this kind: two trainings of one worker each at the same time, that share
nothing but the machine, over one of them.
"""

SIMULATED = """## Many workers, simulated

`python tests/benchmarks/simulated_scaling.py --leases 40 --record`

The schedule that trains on clusters, under a clock that is not real. Not measured: kernels are taken to
have the rate that case c had then ({rate:,.0f} edges/s) on every thread of a worker, leases to take up to
20 % more or less, partitions to move at 1.25 GB/s a worker and 5 GB/s for all, and commits to write all
that a worker holds. P and buffer are what `daskgraph plan --workers` proposes. Figures are of a later
epoch: of all of it with up to 8 workers, of its first {leases} leases a worker with more.
"""

STORAGE = """The largest graph shows where a common storage ends what workers can do. Where w workers hold
P / 2w partitions each, an epoch moves all vectors about w times to workers and back: 2 TB more with each,
which at 5 GB/s takes some 400 s. Kernels take the edges over the rate of a worker, divided by w. So an epoch
gets shorter only until both are the same, at w = √(seconds of one worker's kernels / 400), and longer from
there: with 64 workers what is moved takes longer than kernels do, so that 50 of 64 are out of reach. Commits
come on top. With kernels of 141,914 edges/s a thread and partitions exchanged one by one (`bucket_order =
"beta"`, a change of the script), 64 workers of 2 threads were 51 times as fast as one over their first 40
leases, and 40.7 times over the whole epoch, 14.3 million edges/s; kernels are faster now, and the order
`comet` moves about half of a lease's partitions each time, where one of them was. What a faster storage or
disks of the workers' own would bring was not simulated. The largest graph was simulated with a
`training.checkpoint` of an hour: a commit writes all that a worker holds, which takes minutes here.
"""

GUARD = """## Kept fast

`python tests/benchmarks/kernel_guard.py`, a part of `.ci/run`, times every function of a training step, in
models that hold every operator, comparator and loss, and every one that ranks edges by products, as a ratio
to `sgemm` on the same shapes. It fails where one takes longer than
[kernel_guard.json](../tests/benchmarks/kernel_guard.json) allows; the command's text says why the tolerance
is what it is. What was not recorded on a processor yet may take three times what it takes on others: on the
Zen 3 that is what ranks. After a change that is meant: `--record`.
"""


def record(name: str) -> Record | None:
    """Return what was recorded under a name, or None."""
    path = RECORDS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def records(kind: str, names: Iterable[str]) -> dict[str, Record]:
    """Return what was recorded of some names."""
    return {name: made for name in names if (made := record(f"{kind}-{name}"))}


def table(header: str, rows: Iterable[list[Any]]) -> str:
    """Return a table; all columns but the first to the right."""
    rules = "|---|" + "---:|" * header.count("|")
    lines = [f"| {header} |", rules, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    return "\n".join(lines) + "\n"


def spread(values: list[float], form: str = ".1f", unit: str = "") -> str:
    """Return the median, with the extremes in brackets."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):{form}}{unit} ({low:{form}} to {high:{form}})"


def against_pbg() -> Iterator[str]:
    """Give the comparison with PBG."""
    kinds = [f"{name}{kind}" for name in ("a", "b", "c", "d1", "d2") for kind in ("", "-rounded")]
    found = records("pbg", kinds)
    if not found:
        return
    yield AGAINST
    yield "".join(f"- {name}: {made['title']}\n" for name, made in found.items())
    yield table(
        "case | entities | edges | pairs | edges/s | PBG, edges/s | ratio | in processor time | "
        "share of the machine",
        (
            [
                name,
                f"{made['entities']:,}",
                f"{made['edges']:,}",
                len(made["ratios"]),
                f"{statistics.median(made['own']):,.0f}",
                f"{statistics.median(made['pbg']):,.0f}",
                spread(made["ratios"], unit=" ×"),
                spread(made["processor_ratios"], unit=" ×"),
                spread(made["shares"], ".2f"),
            ]
            for name, made in found.items()
        ),
    )
    yield table(
        "case | epochs | MRR | PBG, MRR | more than PBG | measured on",
        (
            [
                name,
                made["epochs"],
                f"{made['mrr']['own']:.4f}",
                f"{made['mrr']['pbg']:.4f}",
                f"{made['mrr']['own'] / made['mrr']['pbg'] - 1:+.1%}",
                made["machine"]["processor"],
            ]
            for name, made in found.items()
        ),
    )
    yield machines(found.values())
    if evaluated := found.get("b", {}).get("evaluation"):
        yield EVALUATION.format(by_pbg=evaluated["mrr_of_pbg_by_pbg"], by_own=found["b"]["mrr"]["pbg"])
        seconds = [spread(evaluated[side]) for side in ("own", "pbg")]
        yield table("seconds | PBG, seconds | ratio", [[*seconds, spread(evaluated["ratios"], unit=" ×")]])


def own_limits() -> Iterator[str]:
    """Give what daskgraph measures of itself."""
    found = records("own", LIMITS)
    if found:
        yield OWN
        yield table("what | figure", (LIMITS[name](made) for name, made in found.items()))
        yield machines(found.values())


def threads(made: Record) -> list[str]:
    """Return the row on two threads."""
    what = f"edges/s of case a, two threads over one (large products alone: {made['products']:.2f} ×)"
    return [what, spread(made["ratios"], ".2f", " ×")]


def entities(made: Record) -> list[str]:
    """Return the row on many entities."""
    return [
        "edges/s of case c, 2,000,000 entities over 100,000, as many edges",
        spread(made["ratios"], ".2f", " ×"),
    ]


def memory(made: Record) -> list[str]:
    """Return the row on memory."""
    held, beside = ([figure / 1e6 for figure in made[key]] for key in ("held", "beside"))
    tables = f"{made['tables'] / 1e6:,.0f} MB"
    what = f"memory held while case c is trained and committed, beside tables, sums ({tables}) and a slice"
    return [what, f"{spread(beside, '.0f', ' MB')} of {statistics.median(held):,.0f} MB"]


def start(made: Record) -> list[str]:
    """Return the row on the first batches."""
    what = "Python's start to the first trained batches of case a, kernels cached; in processor time"
    return [what, "; ".join(spread(made[key], ".1f", " s") for key in ("seconds", "processor_seconds"))]


LIMITS = {"threads": threads, "entities": entities, "memory": memory, "start": start}
"""How each of them is told."""


def bigger_than_memory() -> Iterator[str]:
    """Give what partitions cost and save."""
    pair, qualities = record("memory"), records("partitions", ("fb15k", "communities"))
    sizes = records("size", ("tables", "edges"))
    if pair or qualities or sizes:
        yield BIGGER
    if pair:
        yield "{entities:,} entities in {degree} edges each, d = {dimension}:\n".format_map(pair["given"])
        header = "partitions | buffer | above idle, MiB | planned | edges/s | waiting | partitions read"
        yield table(header, (memory_row(parts, pair) for parts in pair["results"]))
    if qualities:
        yield table(
            "graph | epochs | MRR in one partition | in 16 | difference",
            (
                [
                    f"{made['title']}; {made['entities']:,} entities, {made['edges']:,} edges",
                    made["epochs"],
                    *(f"{statistics.mean(made['mrr'][parts]):.4f}" for parts in ("1", "16")),
                    f"{statistics.mean(made['mrr']['16']) / statistics.mean(made['mrr']['1']) - 1:+.1%}",
                ]
                for made in qualities.values()
            ),
        )
    if sizes:
        yield table(
            "entities | edges | partitions | allowed | held at most | edges/s | waiting for the disk",
            (
                [
                    f"{made['entities']:,}",
                    f"{made['edges']:,}",
                    made["partitions"],
                    made["memory"],
                    f"{made['held'] / (1 << 30):.2f} GiB",
                    f"{made['edges_per_second']:,.0f}",
                    f"{made['io_wait_seconds'] / made['seconds']:.1%}",
                ]
                for made in sizes.values()
            ),
        )
    yield machines([*([pair] if pair else []), *qualities.values(), *sizes.values()])


def memory_row(partitions: str, pair: Record) -> list[Any]:
    """Return the row of one side of the pair."""
    made, buffer = pair["results"][partitions], pair["given"]["buffer"]
    return [
        partitions,
        min(buffer, int(partitions)),
        f"{made['above_idle'] / (1 << 20):,.0f}",
        f"{made['planned'] / made['above_idle'] - 1:+.1%}",
        f"{made['edges_per_second']:,.0f}",
        f"{made['io_wait_seconds'] / made['seconds']:.1%}",
        f"{made['swaps']:,.0f}",
    ]


def kernel_speed() -> Iterator[str]:
    """Give the speed of training steps."""
    made = record("kernels")
    if made is None:
        return
    yield KERNELS
    yield table(
        "case | edges/s | a batch, µs | products alone, µs | share of the peak",
        (
            [
                f"{name}: {one['title']}",
                f"{one['rate']:,.0f}",
                f"{one['batch'] * 1e6:,.0f}",
                f"{one['products'] * 1e6:,.0f}",
                f"{one['share']:.2f}",
            ]
            for name, one in made["cases"].items()
        ),
    )
    yield machines([made])


def scaling() -> Iterator[str]:
    """Give what two workers do."""
    found = {name: record(f"scaling-{name}") for name in ("random", "many", "crates-io")}
    made = {name: one for name, one in found.items() if one is not None}
    if not made:
        return
    yield SCALING
    shares = ("computing", "data", "commits", "idle", "messages")
    yield table(
        "graph | workers | edges/s | a lease, s | in kernels | data | commits | nothing to train | messages",
        (
            [
                name,
                workers,
                spread([run["rate"] for run in one[workers]], ",.0f"),
                f"{statistics.median(run['lease_seconds'] for run in one[workers]):.1f}",
                *(f"{statistics.median(run[share] for run in one[workers]):.2f}" for share in shares),
            ]
            for name, one in made.items()
            for workers in ("one", "two")
        ),
    )
    yield table(
        "graph | two workers over one | large products | two trainings apart",
        (
            [name, *(spread(one[key], ".2f", " ×") for key in ("ratios", "ceilings", "apart"))]
            for name, one in made.items()
        ),
    )
    yield machines(list(made.values()))


def simulated() -> Iterator[str]:
    """Give what many workers would do."""
    made = record("simulated")
    if made is None:
        return
    yield SIMULATED.format(**made)
    yield table(
        "entities, edges, threads and memory of a worker | workers | P | buffer | edges/s | "
        "in kernels | times one worker",
        (
            [
                f"{case['entities']:,}, {case['edges']:,}, {case['threads']}, {case['memory'] >> 30} GiB",
                row["workers"],
                row["partitions"],
                row["buffer"],
                f"{row['edges_per_second']:,.0f}",
                f"{row['computing']:.2f}",
                f"{row['times']:.1f}",
            ]
            for case in made["cases"].values()
            for row in case["rows"]
        ),
    )
    yield STORAGE


def machines(found: Iterable[Record]) -> str:
    """Return where figures were measured, a line for each kind of machine."""
    told: dict[str, list[float]] = {}
    when: dict[str, set[str]] = {}
    for made in found:
        machine = dict(made["machine"])
        load, cores = machine.pop("load"), f"{machine.pop('processor')}, {machine.pop('cores')} cores"
        measured = machine.pop("measured", "")
        versions = ", ".join(f"{name} {version}" for name, version in machine.items())
        told.setdefault(f"{cores}; {versions}", []).append(load)
        when.setdefault(f"{cores}; {versions}", set()).update([measured] if measured else [])
    return "\n".join(
        "; ".join([text, f"load {min(loads):.1f} to {max(loads):.1f}", *sorted(when[text])]) + ".\n"
        for text, loads in told.items()
    )


def page() -> str:
    """Return the page."""
    parts = (against_pbg, own_limits, bigger_than_memory, kernel_speed, scaling, simulated)
    return "\n".join([HEAD, *(text for part in parts for text in part()), GUARD])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"wrote {PAGE}\n")
