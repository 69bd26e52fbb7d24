"""Where the sample files are: in an installed wheel inside the package, in a source checkout beside it."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = (PACKAGE / "samples", PACKAGE.parent / "samples")  # wheel, checkout


def samples_folder() -> Path:
    """Return the folder of the sample CSVs and quickstart.toml. Raises FileNotFoundError if there is none."""
    for folder in FOLDERS:
        if (folder / "quickstart.toml").is_file():
            return folder
    raise FileNotFoundError(f"sample files: expected in one of {', '.join(map(str, FOLDERS))}, found in none")


def sample_path(name: str) -> Path:
    """Return the path of the sample file `name`. Raises FileNotFoundError naming the known ones."""
    folder = samples_folder()
    path = folder / name
    if not path.is_file():
        known = ", ".join(sorted(entry.name for entry in folder.iterdir()))
        raise FileNotFoundError(f'sample file: unknown "{name}"; known: {known}')
    return path
