"""Examples of each command, for its help and the reference; a test parses each as the command does."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "demo": ("ewad demo", "ewad demo --duration 30s --listen 127.0.0.1:8080"),
    "run": (
        "ewad run -c /etc/ewad/ewad.toml",
        "ewad run --url mqtt://localhost --topic 'site/{room}/temperature' --model auto",
        "ewad run --url mqtt://localhost --discover",
    ),
    "gateway": ("ewad gateway -c ewad.toml --log /var/lib/ewad/log --keep 7d",),
    "spark": (
        "ewad spark -c ewad.toml --log /var/lib/ewad/log --checkpoint checkpoint --sink parquet:results",
    ),
    "init": ("ewad init --url mqtt://localhost --seconds 60 -o found.toml",),
    "check": (
        "ewad check",
        "ewad check -c /etc/ewad/ewad.toml --connect",
        "ewad check --topic 'site/{room}/temperature' --half-life 10m",
    ),
    "explain": (
        "ewad explain site/kitchen/temperature 21.4",
        "ewad explain plug/1 '{\"power\": 42}' --topic 'plug/{id}' --format json --field power",
        "ewad explain spBv1.0/plant/DBIRTH/edge/pump @birth.bin",
    ),
    "presets": ("ewad presets", "ewad presets zigbee2mqtt"),
    "schema": ("ewad schema > ewad.schema.json",),
    "replay": (
        "ewad replay history.csv --explain",
        "ewad replay history.csv --model auto --horizons 1,24 --report",
        "ewad replay history.csv -o results.csv --plot figure.png",
        "ewad replay history.csv -c ewad.toml --state ewad.db --stream-name 'site/{stream}/temperature'",
    ),
    "train": ("ewad train history.csv --optimizer adam,momentum --epochs 10 -o model.npz",),
    "evaluate": ("ewad evaluate history.csv", "ewad evaluate --protocol fsnet ETTh2.csv"),
    "state": (
        "ewad state show",
        "ewad state export -o streams.csv",
        "ewad state backup copy.db",
        "ewad state show copy.db",
    ),
    "ctl": ("ewad ctl reload", "ewad ctl forget site/attic/temperature"),
    "hash-password": ("ewad hash-password prometheus >> /etc/ewad/http_users",),
    "figures": ("ewad figures docs/figures",),
}


def epilog(command: str) -> str:
    """Return what stands below the options of a command's help; "" where it has no examples."""
    lines = "\n".join(f"  {line}" for line in EXAMPLES.get(command, ()))
    return f"\b\nExamples:\n{lines}" if lines else ""
