"""FastAPI: run it with `uvicorn fastapi_app:app`."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from knoxide_client import AsyncClient, KnoxideError, Session

app = FastAPI()
knoxide = AsyncClient.from_env()


@app.exception_handler(KnoxideError)
async def refuse(request: Request, error: KnoxideError) -> JSONResponse:
    return JSONResponse({"detail": error.detail}, error.status, error.headers)


async def current(request: Request) -> Session:
    return await knoxide.authenticate(request.headers.getlist("Authorization"))


@app.get("/notes")
async def notes(session: Annotated[Session, Depends(current)]) -> dict[str, str]:
    return {"owner": session.user.username}
