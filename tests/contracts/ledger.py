"""A ledger of one validator in memory, for testing contracts: every send is a block, run by the node's own executor."""

import json
from pathlib import Path
from typing import Any

from hansa import _native
from hansa.crypto.suite import KeyPair, keccak256, key_pair
from hansa.sdk.client import failure_of
from hansa.sdk.contract import (
    Artefact,
    decode_events,
    decode_output,
    encode_call,
    encode_deployment,
    event_signatures,
    function_signature,
    revert_reason,
)
from hansa.sdk.signing import Intent, explained, sign_fields

CHAIN_ID = 424_242_424
GAS_LIMIT = 1_000_000_000
START_MS = 1_700_000_000_000
BLOCK_MS = 1_000
GAS = 3_000_000


class Refusal(AssertionError):
    """The contract reverted; the message is its reason."""


class Ledger:
    """One validator, blocks of one transaction, a clock that only goes on with blocks."""

    gas = GAS  # that each transaction may take

    def __init__(self, accounts: int = 8, directory: Path | None = None) -> None:
        self.keys = [key_pair((index + 1).to_bytes(32)) for index in range(accounts)]
        self._validator = key_pair(b"\x77" * 32)
        self.genesis = self._genesis()
        self.chain = _native.Chain.create(None if directory is None else str(directory), self.genesis)
        self._rpc = _native.Rpc(self.chain, {})
        self._nonces = dict.fromkeys((key.address for key in self.keys), 0)
        self.now_ms = START_MS

    def _genesis(self) -> bytes:
        validator = {
            "name": "one",
            "organisation": "one",
            "public_key": "0x" + self._validator.public.hex(),
            "account": "0x" + self._validator.address.hex(),
        }
        genesis = {
            "version": 1,
            "name": "contracts",
            "chain_id": CHAIN_ID,
            "dev": True,
            "timestamp_ms": START_MS,
            "gas_limit": GAS_LIMIT,
            "rules": {"evm": "osaka", "fees": "none", "suite": 0},
            "consensus": {"kind": "solo"},
            "organisations": [],
            "validators": [validator],
            "alloc": {"0x" + key.address.hex(): {"balance": hex(10**24)} for key in self.keys},
        }
        return json.dumps(genesis).encode()

    def ask(self, method: str, *params: Any) -> Any:
        """One JSON-RPC call."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        reply = self._rpc.handle(json.dumps(request).encode())
        assert reply is not None, f"{method} is not answered by the core"
        answer = json.loads(reply)
        if "error" in answer:
            raise explained(failure_of(answer["error"]))
        return answer["result"]

    def send(self, key: KeyPair, to: bytes | None, data: bytes, value: int = 0) -> dict[str, Any]:
        """Seal a block with one transaction and return its receipt."""
        nonce = self._nonces[key.address]
        intent = Intent(to=to, data=data, value=value)
        signed = sign_fields(key, intent, chain_id=CHAIN_ID, gas_price=0, nonce=nonce, gas=self.gas)
        [(found, code)] = self.chain.submit([signed.raw])
        assert found == signed.hash, code
        self._nonces[key.address] = nonce + 1
        self.seal_block()
        receipt = self.ask("eth_getTransactionReceipt", "0x" + signed.hash.hex())
        assert receipt is not None
        return dict(receipt)

    def seal_block(self) -> None:
        """Order, execute and seal what the pool holds."""
        height, sealed_hash, parent = self.chain.head()
        refs, count, gas = self.chain.propose([], GAS_LIMIT, 1_000, 1 << 20)
        self.now_ms += BLOCK_MS
        fields = (0, 0, height + 1, parent, height, height, sealed_hash, self.now_ms, 0, 1, keccak256(refs), count, gas)
        order_hash = self.chain.add_body(_native.order_encode(fields), refs)
        new_height, new_hash, _, _ = self.chain.execute(order_hash)
        signature = _native.sign(self._validator.secret, self.chain.seal_digest(new_height, new_hash))
        self.chain.seal(new_height, _native.certificate_encode(0, new_height, new_hash, [(0, signature)]))


class Contract:
    """A deployed contract, called by name."""

    def __init__(self, ledger: Ledger, artefact: Artefact, owner: KeyPair, *arguments: Any) -> None:
        self.ledger = ledger
        self.artefact = artefact
        receipt = ledger.send(owner, None, encode_deployment(artefact, words(arguments)))
        assert receipt["status"] == "0x1", "the deployment reverted"
        self.address = bytes.fromhex(receipt["contractAddress"][2:])

    @classmethod
    def at(cls, ledger: Ledger, artefact: Artefact, address: str) -> "Contract":
        """A contract that genesis holds."""
        contract = cls.__new__(cls)
        contract.ledger, contract.artefact, contract.address = ledger, artefact, bytes.fromhex(address[2:])
        return contract

    def call(self, function: str, *arguments: Any, sender: KeyPair | None = None) -> Any:
        """Ask; one output is returned as it is. A revert raises Refusal with its reason."""
        signature = function_signature(self.artefact, function, len(arguments))
        request = {"to": "0x" + self.address.hex(), "data": "0x" + encode_call(signature, words(arguments)).hex()}
        if sender is not None:
            request["from"] = "0x" + sender.address.hex()
        outputs = decode_output(signature, bytes.fromhex(self.ledger.ask("eth_call", request, "latest")[2:]))
        return outputs[0] if len(outputs) == 1 else outputs

    def send(self, sender: KeyPair, function: str, *arguments: Any, value: int = 0) -> dict[str, dict[str, Any]]:
        """Send; the events by name. A revert raises Refusal with its reason."""
        signature = function_signature(self.artefact, function, len(arguments))
        data = encode_call(signature, words(arguments))
        receipt = self.ledger.send(sender, self.address, data, value)
        if receipt["status"] != "0x1":
            raise Refusal(self._reason(sender, data, value, receipt))
        known = event_signatures(self.artefact)
        assert all(bytes.fromhex(log["topics"][0][2:]) in known for log in receipt["logs"]), "an event of nobody's"
        return decode_events(self.artefact, receipt["logs"])

    def _reason(self, sender: KeyPair, data: bytes, value: int, receipt: dict[str, Any]) -> str:
        """Ask again at the state before: the receipt does not keep the contract's words."""
        request = {
            "to": "0x" + self.address.hex(),
            "from": "0x" + sender.address.hex(),
            "data": "0x" + data.hex(),
            "value": hex(value),
        }
        before = hex(int(receipt["blockNumber"], 16) - 1)
        try:
            self.ledger.ask("eth_call", request, before)
        except Exception as error:  # noqa: BLE001 - a test's own report
            raw = getattr(error, "data", {}).get("revert_data")
            return revert_reason(bytes.fromhex(raw[2:])) if isinstance(raw, str) else str(error)
        return "it reverted in its block only"


def words(arguments: tuple[Any, ...]) -> list[str]:
    """Arguments as the encoder takes them: keys become their addresses, bytes become hex."""
    return [_word(argument) for argument in arguments]


def _word(argument: Any) -> str:
    if isinstance(argument, KeyPair):
        return "0x" + argument.address.hex()
    if isinstance(argument, bytes):
        return "0x" + argument.hex()
    return str(argument).lower() if isinstance(argument, bool) else str(argument)
