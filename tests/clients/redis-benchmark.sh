# redis-benchmark over the socket and over TCP: every test of strings, with and without a pipeline, in
# both protocols. It is a load check here, not a measurement: it must finish, and it exits at the
# first reply that is an error.
set -euo pipefail

count=0

# bench WHAT ARGS...: one run in --csv, which must report a rate above zero for each of its tests and no error.
bench() {
    local what=$1 out line
    shift
    if ! out=$(redis-benchmark --csv "$@" 2>&1); then
        printf 'FAILED: redis-benchmark: %s: exit code\n%s\n' "$what" "$out" >&2
        exit 1
    fi
    while read -r line; do
        [[ $line == '"test",'* ]] && continue # the heading
        if [[ ! $line =~ ^\"[^\"]+\",\"[1-9] ]]; then
            printf 'FAILED: redis-benchmark: %s: %s\n' "$what" "$line" >&2
            exit 1
        fi
        count=$((count + 1))
    done <<<"$out"
}

socket=(-s "$LARDER_SOCKET")
tcp=(-h "${LARDER_TCP%:*}" -p "${LARDER_TCP##*:}")
strings=(-t ping_inline,ping_mbulk,set,get,incr,mset)
bench "50 connections, one command at a time" "${socket[@]}" "${strings[@]}" -n 20000 -r 10000 -d 64
bench "16 commands a pipeline" "${socket[@]}" "${strings[@]}" -n 100000 -r 100000 -P 16
bench "512 commands a pipeline" "${socket[@]}" -t set,get -n 100000 -P 512
bench "RESP3" "${socket[@]}" -3 "${strings[@]}" -n 20000 -P 16
bench "TCP" "${tcp[@]}" "${strings[@]}" -n 20000 -P 8
bench "1 MB values" "${socket[@]}" -t set,get -n 200 -c 4 -d 1048576
bench "two threads, 200 connections" "${socket[@]}" --threads 2 -t set,get -n 50000 -c 200
bench "a command of one's own" "${socket[@]}" -n 20000 -r 1000 -P 4 SET key:__rand_int__ value EX 60
bench "another database" "${socket[@]}" --dbnum 3 -t set,get -n 10000
redis-cli -s "$LARDER_SOCKET" DEL mylist >/dev/null
echo "ok: $(redis-benchmark --version) ($count checks)"
