import os

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
origins = os.environ.get("CORS_ORIGINS", "http://localhost:5173").split(",")
app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"])


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.get("/todos")
def todos() -> list[str]:
    return ["write a recipe"]
