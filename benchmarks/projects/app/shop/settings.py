"""Settings from the environment."""

import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict

structlog.configure(processors=[structlog.processors.JSONRenderer()])


class Settings(BaseSettings):
    """The variables `SHOP_TITLE` and `SHOP_KEY`."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")

    title: str = "Shop"
    key: str = "not a secret: 32 characters long"
