"""A gate of named pipes (tests/gates_posix.py)."""


def pass_gate(path: str) -> None:
    with open(f"{path}.opened", "rb", buffering=0) as opened, open(
        f"{path}.arrived", "wb", buffering=0
    ) as arrived:
        arrived.write(b"!")
        opened.read(1)


def announce(path: str) -> None:
    """Say that we are here, and go on."""
    with open(f"{path}.arrived", "wb", buffering=0) as arrived:
        arrived.write(b"!")
