"""What is asked of SLURM and what its answers mean: scripts, sentences, decisions; no SLURM is needed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daskgraph import cli
from daskgraph.config import Config
from daskgraph.errors import (
    ConfigError,
    JobsFailedError,
    NotAStoreError,
    SlurmCommandError,
    SlurmMissingError,
    SubmissionRefusedError,
)
from daskgraph.events import Event, Notice, ignore
from daskgraph.executors.slurm import Run, commands, job_script
from daskgraph.executors.slurm.crew import Crew
from daskgraph.executors.slurm.keeper import AT_ONCE, Keeper, hands_back_at, margin
from daskgraph.executors.slurm.starting import (
    cancel,
    check,
    dashboard_hint,
    make_certificate,
    place_hint,
    reaching_hint,
)
from daskgraph.executors.slurm.states import (
    Ended,
    Queued,
    lacked_memory,
    overview,
    read_account,
    read_job,
    read_queue,
    unreached,
    with_log,
)
from daskgraph.sizes import worker_config

MODEL = "/shared/films.model.zarr"


def config(**cluster: Any) -> Config:
    return Config.from_dict({"cluster": {"kind": "slurm", **cluster}})


def script(**cluster: Any) -> str:
    return job_script(config(**cluster), Run.of(MODEL, "1f"))


def preparing(text: str) -> str:
    """The part of a job's script that prepares its scratch."""
    return text[text.index("DASKGRAPH_SCRATCH=") : text.index(sys.executable)]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs come first: some answers of SLURM need a site that we do not have."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


# Every key of the config that jobs know: the value, and what the script then says.
SAYS = {
    "cores": (7, "#SBATCH --cpus-per-task=7"),
    "memory": ("3GiB", "#SBATCH --mem=3072M"),
    "walltime": ("2-12:00:00", "#SBATCH -t 2-12:00:00"),
    "queue": ("long", "#SBATCH -p long"),
    "account": ("biology", "#SBATCH -A biology"),
    "interface": ("ib0", "--interface ib0"),
    "directives": (["--constraint=skylake"], "#SBATCH --constraint=skylake"),
    "prologue": (["module load python"], "\nmodule load python\n"),
    "scratch": ("/local/$USER", 'DASKGRAPH_SCRATCH="/local/$USER/dg-films-'),
}


def test_script__leaves_ctrl_c_alone() -> None:
    """dask-jobqueue sets a handler of its own when it is imported: this needs a process that has not yet."""
    lines = [
        "import signal",
        "from executors.test_slurm import script",
        "before = signal.getsignal(signal.SIGINT)",
        "script()",
        "assert signal.getsignal(signal.SIGINT) is before",
    ]
    tests = str(Path(__file__).parent.parent)
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, cwd=tests)


@pytest.mark.parametrize("key", SAYS)
def test_script__says_what_the_config_says(key: str) -> None:
    value, line = SAYS[key]
    assert line in script(**{key: value})
    assert line not in script()


def test_script__leaves_out_what_the_site_refuses() -> None:
    assert "--mem=" not in script(skip_directives=["--mem"])
    assert "#SBATCH -n 1" in script(skip_directives=["--mem"])
    # Options are meant, not letters: a name may hold any.
    odd = job_script(config(skip_directives=["-n"]), Run.of("/shared/a-nice-model.zarr"))
    assert "#SBATCH -n" not in odd
    assert "#SBATCH -J dg-a-nice-model" in odd


def test_script__asks_for_one_worker_that_is_not_started_twice() -> None:
    lines = script(cores=7, memory="4GiB").splitlines()
    assert "#SBATCH --no-requeue" in lines
    command = lines[-1]
    assert command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tls://DRIVER:PORT")
    assert "--name $SLURM_JOB_ID --nthreads 1" in command
    assert "--memory-limit 3.60GiB" in command
    assert "--tls-key /shared/films.model.jobs/tls/key.pem" in command
    assert "--no-dashboard --dashboard-address 127.0.0.1:0" in command


def test_script__scratch_goes_with_the_job(tmp_path: Path) -> None:
    looks = 'ls "$DASKGRAPH_SCRATCH/.." && stat -c %a "$DASKGRAPH_SCRATCH"'
    shell = f"SLURM_JOB_ID=9\n{preparing(script(scratch=str(tmp_path)))}\n{looks}\n"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{Run.of(MODEL, '1f').name}-9", "700"]
    assert list(tmp_path.iterdir()) == []


def test_script__removes_what_killed_jobs_have_left(programs: Path, tmp_path: Path) -> None:
    family, folder = Run.of(MODEL).family, tmp_path / "scratch"
    for name in (f"{family}-1f-3", f"{family}-1f-4", f"{family}-0e-40", "other-3"):
        (folder / name / "dask-scratch-space").mkdir(parents=True)

    def begin() -> set[str]:
        subprocess.run(
            ["bash", "-c", f"SLURM_JOB_ID=9\n{preparing(script(scratch=str(folder)))}"], check=True
        )
        return {place.name.removeprefix(family) for place in folder.iterdir()}

    program(programs, "squeue", "echo cannot reach the controller >&2; exit 1")
    assert begin() == {"-1f-3", "-1f-4", "-0e-40", "other-3"}
    program(programs, "squeue", "echo +4+; echo +9+")
    assert begin() == {"-1f-4", "other-3"}
    shutil.rmtree(folder / f"{family}-1f-4")
    # Nothing is asked where nothing is left.
    program(programs, "squeue", f"touch {tmp_path}/asked")
    assert begin() == {"other-3"}
    assert not (tmp_path / "asked").exists()


def test_script__takes_nothing_from_a_site_s_file() -> None:
    import dask

    stale = {"queue": "old", "processes": 4, "job-extra-directives": ["--x"], "interface": "eth9"}
    with dask.config.set({"jobqueue.slurm": {**dask.config.get("jobqueue.slurm"), **stale}}):
        text = script(queue="new", interface="ib0")
    assert "-p new" in text
    assert not {"--x", "old", "eth9", "--nworkers"} & set(text.split())


def test_dry_run__prints_the_script_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = "train edges.tsv --cluster slurm --dry-run -s cluster.queue=long"
    done = CliRunner().invoke(cli.main, command.split())
    assert done.exit_code == 0, done.output
    assert "#SBATCH -p long" in done.stdout
    assert "dask_worker tls://DRIVER:PORT" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_dashboard__is_reached_through_ssh() -> None:
    assert dashboard_hint(4711).startswith(
        f"dashboard: ssh -N -L 8787:127.0.0.1:4711 {socket.gethostname()}, "
    )


def test_job_config__one_number_for_memory_and_one_for_cores() -> None:
    own = worker_config(config(cores=6, memory="10GiB", workers=3), threads=2)
    assert (own.training.threads, own.training.memory_bytes) == (6, 9 * 2**30)
    chosen = Config.from_dict({"cluster": {"kind": "slurm"}, "training": {"threads": 3, "memory": "1GiB"}})
    assert worker_config(chosen, threads=2).training == chosen.training


@pytest.mark.parametrize(
    "wrong", [{"walltime": "5min"}, {"walltime": "10:00"}, {"memory": "auto"}, {"minimum": 3, "workers": 2}]
)
def test_config__refuses_jobs_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"cluster\.{next(iter(wrong))}"):
        config(**wrong)


def test_config__refuses_training_that_takes_more_than_its_job_has() -> None:
    given = {"cluster": {"kind": "slurm", "memory": "2GiB"}, "training": {"memory": "1900MiB"}}
    with pytest.raises(ConfigError, match=r"training\.memory = '1900MiB' is more than nine tenths"):
        Config.from_dict(given)


def test_check__says_that_there_is_no_slurm(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(SlurmMissingError, match="sbatch"):
        check(config(), tmp_path / "m.model.zarr", ignore)


def test_check__refuses_with_sbatch_s_own_line(programs: Path, tmp_path: Path) -> None:
    program(programs, "sbatch", 'cat > /dev/null; echo "sbatch: error: invalid account" >&2; exit 1')
    with pytest.raises(
        SubmissionRefusedError,
        match="invalid account; each was to have 4 CPUs, 8GiB of memory and 1h",
    ):
        check(config(), tmp_path / "m.model.zarr", ignore)
    program(programs, "sbatch", "cat > /dev/null")
    with pytest.raises(ConfigError, match=r"cluster\.interface.*it has .*lo"):
        check(config(interface="ib77"), tmp_path / "m.model.zarr", ignore)
    check(config(), tmp_path / "m.model.zarr", ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_check__waits_for_a_controller_that_does_not_answer(programs: Path, tmp_path: Path) -> None:
    silent = 'echo "sbatch: error: Socket timed out on send/recv operation" >&2; exit 1'
    program(programs, "sbatch", f"cat > /dev/null; {silent}")
    events: list[Event] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] >= 30 and answers:
            program(programs, "sbatch", "cat > /dev/null")

    def ask() -> None:
        check(config(patience="50s"), tmp_path / "m.model.zarr", events.append, lambda: now[0], sleep)

    answers = True
    ask()
    assert now == [30]
    [notice] = events
    assert isinstance(notice, Notice)
    assert notice.text.startswith("sbatch fails: Socket timed out on send/recv operation; it is asked again")
    program(programs, "sbatch", f"cat > /dev/null; {silent}")
    answers = False
    with pytest.raises(SlurmCommandError, match="Socket timed out"):
        ask()
    assert now == [80]


def test_check__nodes_that_are_drained_are_no_refusal(programs: Path, tmp_path: Path) -> None:
    said = "allocation failure: Requested node configuration is not available"
    program(programs, "sbatch", f'cat > /dev/null; echo "{said}" >&2; exit 1')
    program(programs, "sinfo", "echo node1")
    events: list[Event] = []
    check(config(), tmp_path / "m.model.zarr", events.append)
    assert [event.text for event in events if isinstance(event, Notice)] == [
        f"nodes are away, and SLURM says: {said}; jobs are submitted all the same"
    ]
    program(programs, "sinfo", "true")
    with pytest.raises(SubmissionRefusedError, match="node configuration"):
        check(config(), tmp_path / "m.model.zarr", ignore)


def test_cancel__a_model_that_is_not_there_is_an_error(programs: Path, tmp_path: Path) -> None:
    program(programs, "squeue", "true")
    program(programs, "scancel", "true")
    with pytest.raises(NotAStoreError, match=r"mispelt\.zarr is no model store.*nothing of that name"):
        cancel(tmp_path / "mispelt.zarr")
    run = Run.of(tmp_path / "m.model.zarr")
    run.prepare()
    asked = Run.asking(run.model, "1f")
    asked.prepare()
    assert cancel(run.model) == []
    assert run.cancelled.exists()
    assert asked.cancelled.exists()
    assert not asked.certificate.exists()
    assert not run.certificate.exists()


def test_outside__a_driver_in_a_job_asks_as_from_outside() -> None:
    inside = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "1", "SLURM_CONF": "/c", "SBATCH_ACCOUNT": "a"}
    assert commands.outside(inside) == {
        "SLURM_CONF": "/c",
        "SBATCH_ACCOUNT": "a",
        "SLURM_TIME_FORMAT": "standard",
    }


# ---- What SLURM says ---------------------------------------------------------------------------------------


def queued(number: int, state: str = "RUNNING", reason: str = "None", **more: Any) -> Queued:
    return Queued(str(number), "dg", state, reason, more.get("start"), more.get("end"), "")


def test_queue__is_read() -> None:
    [first, second] = read_queue(
        "17|dg-a|PENDING|Priority|2026-11-22T14:05:00|N/A|\n18|dg-a|RUNNING|None|2026-11-22T14:05:00|"
        "2026-11-22T15:05:00|node[3-4]\n"
    )
    assert (first.id, first.state, first.reason, first.end, first.node) == (
        "17",
        "PENDING",
        "Priority",
        None,
        "",
    )
    assert (second.node, second.end) == ("node[3-4]", (second.start or 0) + 3600)


def test_accounts__are_read() -> None:
    found = read_account("17|CANCELLED by 1000|0:15|80\n18|OUT_OF_MEMORY|0:125|\n")
    assert found == {
        "17": Ended("17", "CANCELLED", "0:15", 80.0),
        "18": Ended("18", "OUT_OF_MEMORY", "0:125", None),
    }
    times = "StartTime=2026-11-22T23:00:00 EndTime=2026-11-22T23:01:20"
    assert read_job(f"JobId=4 JobName=x JobState=TIMEOUT Reason=TimeLimit {times} ExitCode=0:15") == Ended(
        "4", "TIMEOUT", "0:15", 80.0
    )
    assert read_job("slurm_load_jobs error") is None


def test_overview__names_every_wait_in_plain_words() -> None:
    jobs = [
        queued(1),
        queued(2),
        queued(3, "PENDING", "Priority", start=0.0),
        queued(4, "PENDING", "Priority"),
        queued(5, "PENDING", "JobHeldUser"),
        queued(6, "PENDING", "AssocGrpCPUMinutesLimit"),
        queued(7, "PENDING", "SomethingNew"),
    ]
    said = overview(jobs, {"1"}, 7)
    assert said.startswith("1 of 7 workers; 1 job starts; 2 jobs wait: other jobs come first; 1 job waits: ")
    assert "it is held by you: scontrol release 5" in said
    assert "a limit of your account is reached (AssocGrpCPUMinutesLimit)" in said
    assert "SLURM says SomethingNew" in said
    assert "the next is expected at" in said


def test_log__tells_of_memory_where_the_state_does_not() -> None:
    failed = Ended("3", "FAILED", "0:9", 4.0)
    assert with_log(failed, "slurmstepd: error: Step 3.batch exceeded memory limit, being killed").state == (
        "OUT_OF_MEMORY"
    )
    assert with_log(failed, "ImportError: room").state == "FAILED"


RESTARTED = """
distributed.worker - INFO -         Registered to:      tls://10.0.0.1:36833
distributed.nanny.memory - WARNING - Worker tls://10.0.0.2:40779 exceeded 95% memory budget. Restarting...
distributed.nanny - INFO - Worker process 29028 was killed by signal 15
distributed.nanny - WARNING - Restarting worker (status=Status.running)
distributed.worker - INFO -       Start worker at:      tls://10.0.0.2:32795
"""


def test_log__tells_why_a_worker_was_started_again() -> None:
    assert lacked_memory(RESTARTED)
    # Only its last life counts.
    again = RESTARTED + RESTARTED.replace("exceeded 95% memory budget. Restarting...", "has a good time")
    assert not lacked_memory(again)
    assert lacked_memory(again.replace("killed by signal 15", "killed by signal 9"))
    assert not lacked_memory("Registered to: tls://10.0.0.1:36833")


def test_failure__says_how_nodes_may_reach_the_driver() -> None:
    log = "distributed.dask_worker - INFO - Timed out starting worker"
    assert unreached(log)
    assert not unreached(f"Registered to: tls://10.0.0.1:36833\n{log}")
    assert not unreached("ModuleNotFoundError: No module named 'distributed'")
    advice = reaching_hint("tls://10.0.0.1:36833")
    assert re.search(
        r"driver at tls://10\.0\.0\.1:36833: give the cluster\.interface .*lo \(127\.0\.0\.1\)", advice
    )
    said = str(JobsFailedError(("job 7 is over: its worker ended",), "7.log", "Timed out", advice))
    assert advice in said
    assert said.endswith("7.log ends with: Timed out")


def test_place__says_what_may_end_the_driver() -> None:
    assert "job 17" in place_hint({"SLURM_JOB_ID": "17"}, 60)
    assert place_hint({}, -1).endswith("has to live as long as the run")
    assert "30 min (ulimit -t): a long run is better driven from a job" in place_hint({}, 1800)


# ---- What the keeper decides -------------------------------------------------------------------------------


def running(*numbers: int, end: float | None = None) -> dict[str, Queued]:
    return {str(number): queued(number, end=end) for number in numbers}


def there(*numbers: int, port: int = 1) -> dict[str, str]:
    return {str(number): f"tls://node{number}:{port}" for number in numbers}


def keeper(workers: int, *submitted: int) -> Keeper:
    made = Keeper(workers, before=180)
    for number in submitted:
        made.submitted(str(number), 0)
    return made


def test_keeper__submits_what_is_missing_a_few_at_a_time() -> None:
    assert keeper(3, 1).look(running(1), {}, 0).submit == 2
    assert keeper(50).look({}, {}, 0).submit == AT_ONCE


def test_keeper__replaces_a_job_that_others_have_ended() -> None:
    kept = keeper(2, 1, 2)
    assert kept.look(running(1, 2), there(1, 2), 100) == kept.look(running(1, 2), there(1, 2), 200)
    orders = kept.look(running(1), there(1), 300)
    assert (orders.ended, orders.submit) == (("2",), 1)
    assert kept.ended(Ended("2", "NODE_FAIL", "", None), 300) == "job 2 is over: its node failed"
    assert kept.failures == ()


def test_keeper__gives_up_after_three_jobs_that_fail_at_once() -> None:
    kept = keeper(1)
    now = 0.0
    for number in range(3):
        assert kept.failures == ()
        now += 1000
        assert kept.look({}, {}, now).submit == 1
        kept.submitted(str(number), now)
        assert kept.look({}, {}, now).ended == (str(number),)
        kept.ended(Ended(str(number), "FAILED", "1:0", 2.0), now)
        # The next one comes a little later.
        assert kept.look({}, {}, now).submit == 0
    assert kept.failures == tuple(
        f"job {number} is over: it failed with exit status 1" for number in range(3)
    )


def test_keeper__forgets_failures_once_a_worker_works() -> None:
    kept = keeper(1, 1)
    kept.ended(Ended("1", "FAILED", "1:0", 2.0), 0)
    kept.submitted("2", 100)
    kept.look(running(2), there(2), 110)
    kept.look(running(2), there(2), 200)
    kept.ended(Ended("2", "FAILED", "1:0", 100.0), 200)
    for number in (3, 4):
        kept.submitted(str(number), 300)
        kept.ended(Ended(str(number), "FAILED", "1:0", 1.0), 300)
    assert kept.failures == ()


def test_keeper__memory_is_no_accident_however_long_a_job_lived() -> None:
    kept = keeper(1)
    for number in range(3):
        kept.submitted(str(number), 0)
        kept.look(running(number), there(number), 1000 * number)
        kept.look(running(number), there(number), 1000 * number + 500)
        kept.ended(Ended(str(number), "OUT_OF_MEMORY", "", 500.0), 1000 * number + 500)
    assert len(kept.failures) == 3
    assert "cluster.memory" in kept.failures[0]


def test_keeper__cancels_jobs_whose_worker_is_not_there() -> None:
    kept = keeper(2, 1, 2)
    kept.look(running(1, 2), there(1), 0)
    assert kept.look(running(1, 2), {}, 30).cancel == ()
    orders = kept.look(running(1, 2), {}, 100)
    assert (orders.cancel, orders.submit) == (("1",), 1)
    assert kept.look(running(1, 2), {}, 700).cancel == ("2",)
    # They were sent home: nothing is said of their end.
    assert kept.ended(Ended("1", "CANCELLED", "", None), 800) is None


def test_keeper__three_workers_started_again_for_want_of_memory_stop_the_run() -> None:
    kept, now = keeper(1, 1), 0.0
    kept.look(running(1), there(1), now)
    for port in (2, 3, 4):
        assert kept.failures == ()
        now += 500
        assert kept.look(running(1), there(1, port=port - 1), now).restarted == ()
        orders = kept.look(running(1), there(1, port=port), now)
        assert (orders.restarted, orders.submit, orders.cancel) == (("1",), 0, ())
        assert "cluster.memory" in kept.restarted("1", memory=True, now=now)
    assert len(kept.failures) == 3


def test_keeper__a_worker_that_worked_may_die_of_anything_else() -> None:
    kept = keeper(1, 1)
    for number in range(5):
        kept.look(running(1), there(1, port=number), 500.0 * number)
        kept.look(running(1), there(1, port=number), 500.0 * number + 400)
        if number:
            said = kept.restarted("1", memory=False, now=500.0 * number + 400)
            assert said == "the worker of job 1 died and was started again"
    assert kept.failures == ()
    # One that dies as soon as it has come is no good.
    for number in range(5, 8):
        kept.look(running(1), there(1, port=number), 2400.0 + number)
        kept.restarted("1", memory=False, now=2400.0 + number)
    assert kept.failures == ()
    kept.look(running(1), there(1, port=8), 2408.0)
    kept.restarted("1", memory=False, now=2408.0)
    assert len(kept.failures) == 3


def test_keeper__what_slurm_refuses_is_asked_ever_more_rarely() -> None:
    kept = keeper(1)
    kept.refused(0)
    assert [kept.look({}, {}, now).submit for now in (10, 25)] == [0, 1]
    kept.refused(25)
    assert [kept.look({}, {}, now).submit for now in (50, 70)] == [0, 1]


def test_keeper__jobs_hand_back_before_their_end_and_not_all_at_once() -> None:
    kept = keeper(3, 1, 2, 3)
    ends = {job: hands_back_at(job, 10_000, 180) for job in ("1", "2", "3")}
    assert len(set(ends.values())) == 3
    assert all(10_000 - 270 <= when <= 10_000 - 180 for when in ends.values())
    assert kept.handing_back(running(1, 2, 3, end=10_000), 9_000) == set()
    assert kept.handing_back(running(1, 2, 3, end=10_000), 9_821) == {"1", "2", "3"}
    assert margin(172_800, 60) == 17_280
    assert margin(3_600, 300) == 900


def test_crew__elastic_gives_back_what_is_idle_until_the_next_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr("daskgraph.executors.slurm.commands.cancel", cancelled.extend)
    run = Run.of(tmp_path / "m.model.zarr", "1f")

    def leaving(elastic: bool) -> tuple[Any, int]:
        made = Crew(config(workers=3, minimum=1, elastic=elastic), run, dict, lambda event: None)
        gone = made.leaving({"1": 0.0, "2": 400.0, "3": 500.0}, 0)
        for worker in gone:
            made.dismiss(worker)
        return gone, made._keeper.look({}, {}, 0).submit

    assert leaving(elastic=False) == (set(), 3)
    assert leaving(elastic=True) == ({"2", "3"}, 1)
    assert sorted(cancelled) == ["2", "3"]


# ---- What the run leaves -----------------------------------------------------------------------------------


def test_certificate__is_for_its_user_alone(tmp_path: Path) -> None:
    run = Run.of(tmp_path / "m.model.zarr")
    run.prepare()
    security = make_certificate(run.certificate)
    assert security.require_encryption
    assert run.certificate.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in run.certificate.iterdir()} == {0o600}
    assert security.get_connection_args("worker")["ssl_context"] is not None


DRIVER = """
import time
from daskgraph.executors.slurm.ending import last_will, stopped_by_signals
with last_will("dg-x"), stopped_by_signals(lambda: print("first", flush=True)):
    print("ready", flush=True)
    try:
        time.sleep(60)
    finally:
        raise OSError("what is torn down in a hurry may fail")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_driver__its_jobs_are_cancelled_when_it_is_killed(
    number: signal.Signals, programs: Path, tmp_path: Path
) -> None:
    program(programs, "scancel", f'echo "$@" >> {tmp_path}/cancelled')
    program(programs, "sleep", "exit 0")
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    driver.send_signal(number)
    said, error = driver.communicate()
    if number == signal.SIGTERM:
        assert said == "first\n"
        assert "TerminatedError: ended by SIGTERM" in error
        return
    end = time.monotonic() + 60
    wanted = [f"--user={os.getuid()} --name=dg-x"] * 2
    while time.monotonic() < end and not (tmp_path / "cancelled").exists():
        time.sleep(0.1)
    while time.monotonic() < end and (tmp_path / "cancelled").read_text().splitlines() != wanted:
        time.sleep(0.1)
    assert (tmp_path / "cancelled").read_text().splitlines() == wanted


def test_queue__that_does_not_answer_is_an_error(programs: Path) -> None:
    program(programs, "squeue", 'echo "slurm_load_jobs error: Unable to contact" >&2; exit 1')
    with pytest.raises(SlurmCommandError, match="squeue fails: slurm_load_jobs error"):
        commands.queue("dg")
