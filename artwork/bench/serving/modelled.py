"""FastAPI that returns a pydantic model and asks no store: what the framework leaves to its users.

Started by uvicorn as ``artwork.bench.serving.modelled:create_app``.
"""

from fastapi import FastAPI

from artwork.bench.serving.naive import Id, PickBody


def create_app() -> FastAPI:
    """The application."""
    app = FastAPI()

    @app.get("/v1/users/{user_id}/titles/{title_id}/artwork")
    async def look_up(user_id: Id, title_id: Id) -> PickBody:
        return PickBody(
            user_id=user_id,
            title_id=title_id,
            artwork_id=f"{title_id}-a0",
            source="personalized",
            policy="thompson",
            propensity=0.5,
            generation=1,
        )

    return app
