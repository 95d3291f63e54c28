#!/bin/sh
# Check every #include of src/, cli/ and include/ against tools/layers.txt.
set -eu
cd "$(dirname "$0")/.."
find src cli include tests bench -name '*.[ch]' | sort |
    xargs grep -Hn '^#include' | awk '
    BEGIN {
        while ((getline line < "tools/layers.txt") > 0) {
            n = split(line, word, " ")
            if (word[1] == "layer") {
                name = word[2]; sub(/:$/, "", name)
                may[name, name] = 1
                for (i = 3; i <= n; i++) may[name, word[i]] = 1
            } else if (word[1] == "header") {
                name = word[2]; sub(/:$/, "", name)
                owner[name] = word[3]
            } else if (word[1] == "door") {
                door[word[2]] = word[3]
            }
        }
    }
    function breach(text) { print place ": " text; bad = 1 }
    {
        split($0, part, ":")
        file = part[1]; place = file ":" part[2]
        line = $0; sub(/^[^:]*:[^:]*:/, "", line)
        match(line, /[<"][^>"]*[>"]/)
        name = substr(line, RSTART + 1, RLENGTH - 2)
        for (d in door)
            if (index(name, d) == 1 && index(file, door[d]) != 1)
                breach(name " may only be included under " door[d])
        layer = ""
        if (file ~ /^src\//) { layer = file; sub(/^src\//, "", layer); sub(/\/.*/, "", layer) }
        target = ""
        if (name ~ /^nash\/[a-z]+\.(h|def)$/) {
            noun = name; sub(/^nash\//, "", noun); sub(/\..*/, "", noun)
            target = (noun in owner) ? owner[noun] : ""
            if (layer != "" && target == "")
                breach(name " belongs to no layer")
        } else if (line ~ /"/ && name ~ /^[a-z]+\//) {
            target = name; sub(/\/.*/, "", target)
        }
        if (layer != "" && target != "" && !((layer, target) in may))
            breach("src/" layer " may not include " name)
        if (file ~ /^cli\// && line ~ /"/ && name ~ /\//)
            breach("cli may only include <nash/...> and its own headers")
    }
    END { exit bad }'
