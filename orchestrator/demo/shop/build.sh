#!/bin/sh
# Turns page.html into what is served; a page without its price list fails the build.
set -eu
grep -q '{{products}}' page.html || {
  echo "page.html has no {{products}}: a shop without its price list can't be built" >&2
  exit 1
}
mkdir -p dist
sed "s/{{colour}}/$(cat colour.txt)/" page.html > dist/page.html
echo "built dist/page.html"
