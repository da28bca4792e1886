"""The method table is one: what it says is native is what the core answers, and nothing stands in two places."""

from hansa._native import Rpc
from hansa.api.methods import DEV_NAMESPACES, NATIVE, PYTHON, namespace_of, nearest_name
from hansa.api.options import ApiOptions


def test_the_native_table_is_the_same_on_both_sides() -> None:
    assert [name for name, _ in Rpc.methods()] == list(NATIVE)


def test_no_method_is_answered_twice() -> None:
    assert not set(NATIVE) & set(PYTHON)


def test_every_namespace_is_served_somewhere() -> None:
    served = set(ApiOptions().namespaces)
    for name in NATIVE:
        assert namespace_of(name) in served
    for method in PYTHON.values():
        assert method.namespace in (served | set(DEV_NAMESPACES) if method.dev else served)


def test_only_development_changes_state_at_will() -> None:
    at_will = [one for one in PYTHON.values() if one.namespace in DEV_NAMESPACES]
    assert at_will
    assert all(one.dev for one in at_will)


def test_slips_have_a_neighbour() -> None:
    assert nearest_name("eth_getblockByNumber") == "eth_getBlockByNumber"
    assert nearest_name("harhat_setBalance") == "hardhat_setBalance"
    assert nearest_name("x") is None
