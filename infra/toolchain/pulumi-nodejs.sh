#!/bin/sh
# Installs Pulumi's SDK for Node.js, for the tests of projects in that language, and prints the folder that contains
# node_modules. `pulumi-nodejs.sh --find` only prints the folder, and fails if it isn't installed.
exec "$(dirname "$0")/node_packages.sh" pulumi-nodejs "$@"
