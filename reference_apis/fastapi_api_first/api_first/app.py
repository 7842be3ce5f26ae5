"""
How does the contract become an application?

The contract comes first: every route is one of its operations, and a handler is chosen by the operation's name.
"""

from fastapi import FastAPI
from reference_api.app import lifespan_of, no_such_route
from reference_api.configuration import Configuration

from api_first.contract import Contract
from api_first.handlers import HANDLERS
from api_first.validation import validated


def create_app(configuration: Configuration) -> FastAPI:
    """
    The application, with the routes of the contract.

    Raises:
        KeyError: the contract has an operation that nothing here handles.

    """
    contract = Contract.read()
    app = FastAPI(
        lifespan=lifespan_of(configuration),
        # The contract describes the API; FastAPI knows no more than its routes.
        openapi_url=None,
        # A redirect from /health/ to /health would be measured as an answer.
        redirect_slashes=False,
    )
    app.state.aggregation = configuration.aggregation
    for operation in contract.operations:
        handler = validated(contract.openapi, HANDLERS[operation.name])
        app.add_route(operation.path, handler, methods=[operation.method], include_in_schema=False)
    app.add_exception_handler(404, no_such_route)
    return app
