"""The pool of the embedded stack issues tokens that the real verifier accepts."""

from pathlib import Path

import pytest

from accounts.cognito import Identity, Verifier
from accounts.keyset import keys_from
from local.cognito import CLIENT_ID, ISSUER, JWKS_FILE, USER_EMAIL, USER_SUB, main, pool_in


def identity_of(token: str, folder: Path) -> Identity:
    keys = keys_from(str(folder / JWKS_FILE), ISSUER)
    return Verifier(issuer=ISSUER, client_ids=[CLIENT_ID], token_uses=["id", "access"], keys=keys).verify(token)


def test_its_id_tokens_say_who_and_which_address(tmp_path: Path) -> None:
    identity = identity_of(pool_in(tmp_path).issue(USER_SUB, USER_EMAIL, "id"), tmp_path)

    assert (identity.sub, identity.email, identity.token_use) == (USER_SUB, USER_EMAIL, "id")


def test_its_access_tokens_say_who(tmp_path: Path) -> None:
    identity = identity_of(pool_in(tmp_path).issue(USER_SUB, USER_EMAIL, "access"), tmp_path)

    assert (identity.sub, identity.email, identity.token_use) == (USER_SUB, "", "access")


def test_its_tokens_live_as_long_as_they_are_told(tmp_path: Path) -> None:
    identity = identity_of(pool_in(tmp_path).issue(USER_SUB, USER_EMAIL, "id", lifetime_s=60), tmp_path)

    assert identity.expires_at - identity.issued_at == 60


def test_processes_that_share_a_folder_share_the_pool(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"

    assert pool_in(folder).jwks() == pool_in(folder).jwks()


def test_nobody_else_may_read_its_key(tmp_path: Path) -> None:
    pool_in(tmp_path)

    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0


def test_it_leaves_nothing_else_behind(tmp_path: Path) -> None:
    pool_in(tmp_path)
    pool_in(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [JWKS_FILE, "key.pem"]


def test_its_key_set_follows_its_key(tmp_path: Path) -> None:
    pool_in(tmp_path)
    (tmp_path / "key.pem").unlink()

    token = pool_in(tmp_path).issue(USER_SUB, USER_EMAIL, "id")

    assert identity_of(token, tmp_path).sub == USER_SUB


def test_it_prints_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--folder", str(tmp_path), "--token-use", "access"])

    assert identity_of(capsys.readouterr().out.strip(), tmp_path).token_use == "access"


def test_it_prints_the_token_of_a_member_of_staff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--folder", str(tmp_path), "--group", "staff"])

    assert "staff" in identity_of(capsys.readouterr().out.strip(), tmp_path).groups
