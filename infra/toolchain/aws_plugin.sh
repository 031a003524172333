#!/bin/sh
# Prints the folder of a `pulumi-resource-aws` for the demo and the tests: the tests' stand-in for Pulumi's plugin, which
# can't reach AWS itself. With EPH_TEST_AWS_PLUGIN=official, it is the official plugin.
set -eu
cd "$(dirname "$0")/../.."

[ "${EPH_TEST_AWS_PLUGIN:-}" != official ] || exec .venv/bin/python -m stacks.toolchain.plugins aws

folder=$PWD/.venv/aws-plugin
mkdir -p "$folder"
cat >"$folder/pulumi-resource-aws.$$" <<EOF
#!/bin/sh
PYTHONPATH='$PWD' exec '$PWD/.venv/bin/python' -m tests.targets.aws.standin "\$@"
EOF
chmod 755 "$folder/pulumi-resource-aws.$$"
mv "$folder/pulumi-resource-aws.$$" "$folder/pulumi-resource-aws"
printf '%s\n' "$folder"
