"""FastAPI's entry, and Lambda's by Mangum."""

import os

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from mangum import Mangum

from src.api.routes import router

app = FastAPI(title="YouTube transcripts")
app.add_middleware(
    CORSMiddleware,
    allow_origins=os.environ.get("CORS_ALLOWED_ORIGINS", "https://shri.software").split(","),
    allow_methods=["*"],
    allow_headers=["*"],
)
app.include_router(router)

handler = Mangum(app, lifespan="off", api_gateway_base_path="/default")
