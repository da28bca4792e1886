"""Four processes under load: kill -9 of one, of the leader, of all; what had a receipt is never lost."""

from tests.processes.alliance import Load, RunningAlliance


def test_transfers_through_every_port_are_final_everywhere(alliance: RunningAlliance) -> None:
    for node in alliance.nodes:
        hashes = alliance.send(node, 30)
        for other in alliance.nodes:
            alliance.wait_final(other, hashes)
    assert alliance.check_agreement() >= 4


def test_a_killed_follower_returns_and_catches_up(alliance: RunningAlliance) -> None:
    leader = alliance.leader()
    victim = next(node for node in alliance.nodes if node is not leader)
    load = Load(alliance)
    victim.kill()
    load.burst(leader, 2.0)
    alliance.wait_final(leader, load.sent)
    victim.start()
    victim.wait_ready()
    alliance.wait_height(victim, leader.height())
    alliance.wait_final(victim, load.sent)
    alliance.wait_final(victim, alliance.send(victim, 10))
    alliance.check_agreement()


def test_blocks_go_on_when_the_leader_is_killed_under_load(alliance: RunningAlliance) -> None:
    leader = alliance.leader()
    others = [node for node in alliance.nodes if node is not leader]
    load = Load(alliance)
    load.burst(others[0], 1.0)
    leader.kill()
    load.burst(others[0], 1.0)
    for node in others:
        alliance.wait_final(node, load.sent)
    leader.start()
    leader.wait_ready()
    alliance.wait_height(leader, others[0].height())
    alliance.wait_final(leader, load.sent)
    alliance.wait_final(others[1], alliance.send(leader, 10))
    alliance.check_agreement()


def test_nothing_final_is_lost_when_all_are_killed_at_once(alliance: RunningAlliance) -> None:
    load = Load(alliance)
    for round_ in range(3):
        load.burst(alliance.nodes[round_], 1.0)
        final = alliance.final_ones(alliance.nodes[round_], load.sent)
        for node in alliance.nodes:
            node.kill()
        alliance.start()
        for node in alliance.nodes:
            alliance.wait_final(node, final)
        alliance.take_fresh_accounts()  # what was not final may be gone or not, so the old nonces are unknown
        alliance.wait_final(alliance.nodes[3], alliance.send(alliance.nodes[0], 10))
        load.sent = []
    alliance.check_agreement()
