from typing import Any

def __getattr__(name: str) -> Any: ...  # what the extension has is the package's own affair
