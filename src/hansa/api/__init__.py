"""JSON-RPC over HTTP and WebSocket for one node.

`ApiServer(node, ApiOptions(...)).start()`; the methods are listed in `methods.py`.
"""

from hansa.api.context import DevControl
from hansa.api.options import ApiOptions, TlsFiles
from hansa.api.server import ApiServer

__all__ = ["ApiOptions", "ApiServer", "DevControl", "TlsFiles"]
