#!/bin/sh
set -eu
for file in "$@"; do
  if [ -f "$file" ]; then
    gzip -9 < "$file" > "$file.gz"
  fi
done
