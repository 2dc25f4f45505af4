"""Names that are hashed, encrypted and signed."""

import argon2
import jwt
from cryptography.fernet import Fernet
from email_validator import validate_email

HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
BOX = Fernet(Fernet.generate_key())


def checked(name: str, *, key: str) -> str:
    """Return `name` after it was validated, hashed, encrypted, signed and read back."""
    address = validate_email(f"{name}@shop.example", check_deliverability=False, test_environment=True).local_part
    HASHER.verify(HASHER.hash(address), address)
    token = jwt.encode({"name": BOX.decrypt(BOX.encrypt(address.encode())).decode()}, key, "HS256")
    return str(jwt.decode(token, key, ["HS256"])["name"])
