"""What a run on SLURM is called, and the folder beside its model where its files are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

_ODD = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Run:
    """One training of a model on SLURM, of which its lock lets in one at a time, or one of many questions."""

    model: Path
    """The model store."""

    family: str
    """Begins the names of jobs: of all trainings of this model, or of all questions to it, and no other's."""

    name: str
    """What all jobs of this run are called."""

    folder: Path
    """Beside the model, on a file system that all nodes share."""

    @classmethod
    def of(cls, model: str | Path, token: str = "") -> Run:
        """Return a run of the model at a path; the token tells it from others of the same model.

        >>> Run.of("/data/films.model.zarr", "1f").name
        'dg-films-ed0280-1f'
        """
        path = Path(model).absolute()
        stem = path.name.removesuffix(".zarr")
        digest = hashlib.sha256(str(path).encode()).hexdigest()[:6]
        family = f"dg-{_ODD.sub('-', stem.removesuffix('.model'))[:40]}-{digest}"
        return cls(path, family, f"{family}-{token}" if token else family, path.with_name(f"{stem}.jobs"))

    @classmethod
    def asking(cls, model: str | Path, token: str = "") -> Run:
        """Return a run that asks the model at a path something; `cancel` ends those of all tokens.

        >>> Run.asking("/data/films.model.zarr", "1f").name
        'dg-ask-films-ed0280-1f'
        """
        training = cls.of(model, token)
        family, name = (text.replace("dg-", "dg-ask-", 1) for text in (training.family, training.name))
        return replace(training, family=family, name=name, folder=training.folder / f"asked-{token}")

    @property
    def script(self) -> Path:
        """What was submitted."""
        return self.folder / "job.sh"

    @property
    def logs(self) -> Path:
        """Folder of what jobs have printed."""
        return self.folder / "logs"

    @property
    def jobs(self) -> Path:
        """List of all jobs that were ever submitted, one id a line."""
        return self.folder / "jobs.txt"

    @property
    def certificate(self) -> Path:
        """Folder of the certificate and key that open the run's connections, for the user alone."""
        return self.folder / "tls"

    @property
    def cancelled(self) -> Path:
        """A file that is there while somebody wants the run to stop."""
        return self.folder / "cancelled"

    def log(self, job: str) -> Path:
        """Return what a job has printed."""
        return self.logs / f"{self.name}-{job}.log"

    def prepare(self) -> None:
        """Make the folders; nobody else may look into them."""
        for folder in (self.folder, self.logs, self.certificate):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.certificate.chmod(0o700)
        self.cancelled.unlink(missing_ok=True)
