#!/bin/sh
# Makes small style sheets whose names change with their content (so browsers may keep them for ever), and
# manifest.json, which maps the old names to the new.
# Usage: build.sh SOURCE TARGET
set -eu

source=$1
target=$2
mkdir -p "$target"

entries=
for file in "$source"/*.css; do
    name=$(basename "$file" .css)
    # Comments, line breaks and the blanks that CSS does not need.
    small=$(tr '\n' ' ' <"$file" | sed -e 's|/\*[^*]*\*/||g' -e 's/[[:space:]]\{1,\}/ /g' -e 's/ *\([{};,]\) */\1/g' -e 's/: /:/g')
    hash=$(printf '%s' "$small" | sha256sum | cut -c 1-12)
    printf '%s' "$small" >"$target/$name.$hash.css"
    entries="$entries${entries:+, }\"$name.css\": \"$name.$hash.css\""
done
printf '{%s}\n' "$entries" >"$target/manifest.json"
