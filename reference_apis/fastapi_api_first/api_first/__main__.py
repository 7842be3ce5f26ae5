"""
How is the API started?

    python -m api_first CONFIG.json
"""

import sys

from reference_api.serving import serve

from api_first.app import create_app

if __name__ == "__main__":
    serve(create_app, sys.argv[1:], "python -m api_first CONFIG.json")
