#!/bin/sh
# A stand-in for scie-jump, the launcher at the beginning of a scie. It knows the one lift manifest that
# stand_in_science.py writes of what pex 2.105 asks for, and needs nothing but a shell, tar and the core utilities.
set -eu
self=$(readlink -f "$0")
manifest=$(tail -n 1 "$self")
text() { printf '%s' "$manifest" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
base=$(text base)
base=${SCIE_BASE:-${base:-${XDG_CACHE_HOME:-$HOME/.cache}/nce}}
home=$base/$(printf '%s' "$manifest" | sha256sum | cut -d ' ' -f 1)
names=$(printf '%s' "$manifest" | sed 's/"boot":.*//' | grep -o '"name":"[^"]*"' | cut -d '"' -f 4 | tail -n +2)
offset=$(printf '%s' "$manifest" | sed 's/.*"jump":{"size":\([0-9]*\).*/\1/')
if [ ! -e "$home/bindings.json" ]; then
    mkdir -p "$home"
    for name in $names; do
        size=$(printf '%s' "$manifest" | sed "s/.*\"name\":\"$name\",\(\"key\":\"[^\"]*\",\)\{0,1\}\"size\":\([0-9]*\).*/\2/")
        tail -c "+$((offset + 1))" "$self" | head -c "$size" > "$home/$name"
        offset=$((offset + size))
        case $name in *.tar.gz) tar -xzf "$home/$name" -C "$home" ;; esac
    done
    python=$(printf '%s' "$manifest" | sed 's/.*"configure":{"exe":"{[^}]*}\/\([^"]*\)".*/\1/')
    arguments=$(printf '%s' "$manifest" | sed 's/.*"configure":{"exe":"[^"]*","args":\[\([^]]*\)\].*/\1/' | tr -d '"' | tr ',' ' ')
    pex=$(printf '%s' "$manifest" | sed 's/.*"name":"\([^"]*\)","key":"pex".*/\1/')
    (
        for name in $(env | sed -n 's/^\(PEX_[A-Z_]*\|PYTHON[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
        export PEX_INTERPRETER=1 PEX_EMIT_WARNINGS=0 SCIE="$self" SCIE_BINDING_JSON="$home/bindings.new"
        # The first two arguments are {pex} and {configure-binding.py}; no other one has a brace or a space.
        set -- $arguments
        shift 2
        unset PATH
        exec "$home/$python" "$home/$pex" "$home/configure-binding.py" "$@"
    )
    mv "$home/bindings.new" "$home/bindings.json"
fi
binding() { sed -n "s/.*\"key\": \"$1\", \"value\": \"\([^\"]*\)\".*/\1/p" "$home/bindings.json"; }
python=$(binding PYTHON)
__PEX_ENTRY_POINT__=$(binding PEX)
export __PEX_EXE__="$self" __PEX_ENTRY_POINT__
unset PEX_VENV
exec "$python" "$__PEX_ENTRY_POINT__" "$@"
exit
