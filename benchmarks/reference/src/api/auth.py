"""Who is calling: a Cognito token, checked by PyJWT."""

import json
import os

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from src.database.database import get_db
from src.database.models import User

ISSUER = os.environ["COGNITO_ISSUER"]
CLIENT_ID = os.environ["COGNITO_CLIENT_IDS"]
KEYS = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.loads(os.environ["COGNITO_JWKS"])).keys}
bearer = HTTPBearer()


def current_user(credentials: HTTPAuthorizationCredentials = Depends(bearer), db: Session = Depends(get_db)) -> User:
    """The caller's row, made at the first call."""
    token = credentials.credentials
    try:
        key = KEYS[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token, key.key, algorithms=["RS256"], issuer=ISSUER, leeway=30, options={"verify_aud": False}
        )
    except (jwt.InvalidTokenError, KeyError) as error:
        raise HTTPException(status_code=401, detail="Invalid token") from error
    if CLIENT_ID not in (claims.get("aud"), claims.get("client_id")):
        raise HTTPException(status_code=401, detail="Invalid token")
    user = db.get(User, claims["sub"])
    if user is None:
        user = User.new(claims["sub"], claims.get("email", ""))
        db.add(user)
        db.commit()
    return user
