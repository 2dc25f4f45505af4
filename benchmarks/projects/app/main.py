"""A web application that uses all its dependencies; `shop` is its own package."""

from fastapi import FastAPI

from shop import documents, store, tokens
from shop.settings import Settings

settings = Settings()
app = FastAPI(title=settings.title)


@app.get("/")
async def root() -> dict[str, object]:
    """Answer with a greeting that every library contributes to."""
    return {
        "message": "Hello World",
        "goods": await store.goods(),
        "page": documents.page(settings.title),
        "thumbnail": len(documents.thumbnail()),
        "sheet": len(documents.sheet()),
        "token": tokens.checked("visitor", key=settings.key),
    }
