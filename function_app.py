"""The Azure Functions app: registers the blueprints of ``flows``, nothing else."""

import azure.functions as func

from flows import BLUEPRINTS
from flows.start import check_installation

check_installation()

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for blueprint in BLUEPRINTS:
    app.register_functions(blueprint)
