#!/bin/sh
# Installs Eph into /opt/eph/app, compiled, because Python can't write bytecode on a read-only root. Also installs the
# small plugin that Eph writes to its cache on other machines. The packaging tool is the lock's, in a separate folder.
set -eu
pip="/opt/eph/bin/pip --quiet --disable-pip-version-check install --no-deps"
sed -n '/^setuptools==/,/^ *# via/p' /src/requirements-dev.lock | grep -v '#' >/tmp/build.lock
$pip --require-hashes --target /tmp/build -r /tmp/build.lock
PYTHONPATH=/tmp/build $pip --no-build-isolation --target /opt/eph/app /src
rm -rf /tmp/build /tmp/build.lock
/opt/eph/bin/python3 -m compileall -q /opt/eph/app
cd /
PATH=/opt/eph/tools:$PATH EPH_CACHE=/opt/eph/cache EPH_TOOLCHAIN_WAYS=path /opt/eph/bin/python3 -m stacks.toolchain.pulumi_cli
