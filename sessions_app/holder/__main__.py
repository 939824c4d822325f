"""Start of a holder: `python -I -S .../sessions_app/holder/__main__.py <folder of the session>`."""

import os
import sys

# Isolated mode leaves the project off the path. It goes last: nothing in it can shadow the library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sessions_app.holder.launch import main  # needs the path set above

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
