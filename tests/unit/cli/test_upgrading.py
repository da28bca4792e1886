"""Who is ready for a later protocol."""

from hansa.cli.commands.upgrading import count_ready


def test_readiness_is_counted_for_every_later_protocol_that_somebody_can_run() -> None:
    known = [{"protocolMax": protocol} for protocol in (1, 3, 2, None, 3)]
    assert count_ready(known, active=1) == {2: 3, 3: 2}
    assert count_ready(known, active=3) == {}
