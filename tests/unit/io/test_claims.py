"""Who claims another's certificate in the membership contract gets no link by it, and takes none away."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from hansa.io.tls import Member, Roster
from hansa.network.errors import RefusedPeer
from tests.unit.io.pki import issue, make_authority


@pytest.mark.parametrize("claims_authority", [False, True])
def test_a_claimed_certificate_stands_for_its_owner_alone(tmp_path: Path, claims_authority: bool) -> None:
    honest, liar = make_authority("honest"), make_authority("liar")
    certificate, later = issue(honest, "a", tmp_path / "a"), issue(honest, "a", tmp_path / "later")
    der = certificate.public_bytes(serialization.Encoding.DER)
    fingerprint, later_fingerprint = (one.fingerprint(hashes.SHA256()) for one in (certificate, later))
    claim = Member(1, "b", "liar", honest.pem if claims_authority else liar.pem, fingerprint)
    owner = Member(0, "a", "honest", honest.pem, fingerprint)
    for members in ([owner, claim], [claim, owner]):
        assert Roster(members).identify(der) == 0
    with pytest.raises(RefusedPeer):  # once its owner has another one, it is nobody's
        Roster([claim, Member(0, "a", "honest", honest.pem, later_fingerprint)]).identify(der)
    forged = issue(liar, "a", tmp_path / "forged").public_bytes(serialization.Encoding.DER)
    with pytest.raises(RefusedPeer):
        Roster([owner, claim]).identify(forged)
