# redis-cli as a person and a script use it: replies, exit codes, pipes, mass insertion, scans, RESP3.
set -euo pipefail

db=1
count=0
cli() { redis-cli -s "$LARDER_SOCKET" -n "$db" "$@"; }

# check WHAT GOT WANT
check() {
    if [[ $2 != "$3" ]]; then
        printf 'FAILED: redis-cli: %s: got %q, want %q\n' "$1" "$2" "$3" >&2
        exit 1
    fi
    count=$((count + 1))
}

# The milliseconds since some moment, for the times that a TTL may take.
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

check "PING" "$(cli PING)" PONG
check "FLUSHDB" "$(cli FLUSHDB)" OK
check "a miss is empty" "$(cli GET none)" ""
check "a miss, as a terminal shows it" "$(cli --no-raw GET none)" "(nil)"
check "SET" "$(cli SET greeting 'hello, world')" OK
check "a hit" "$(cli GET greeting)" "hello, world"
check "an integer, as a terminal shows it" "$(cli --no-raw INCR n)" "(integer) 1"
check "-x takes the value from standard input" "$(printf 'a\0b\r\nc' | cli -x SET binary)" OK
check "binary bytes, escaped" "$(cli --no-raw GET binary)" '"a\x00b\r\nc"'
tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
head -c 1048576 /dev/urandom >"$tmp"
cli -x SET mb <"$tmp" >/dev/null
check "a 1 MB value" "$(cli GET mb | head -c 1048576 | sha256sum)" "$(sha256sum <"$tmp")"
check "its length" "$(cli STRLEN mb)" 1048576
check "SET with a TTL" "$(cli SET brief x PX 150)" OK
started=$(now_ms)
while [[ -n $(cli GET brief) ]]; do
    (($(now_ms) - started < 3000)) || check "a 150 ms TTL runs out" "still there after 3 s" "gone"
done
check "a 150 ms TTL is over" "$(cli PTTL brief)" -2

check "MULTI/EXEC from standard input" \
    "$(printf 'MULTI\nSET t 5\nINCR t\nEXEC\n' | cli | tr '\n' ' ')" "OK QUEUED QUEUED OK 6 "
check "EXECABORT after a bad command" "$(printf 'MULTI\nSET t\nEXEC\n' | cli 2>&1 | grep -c EXECABORT)" 1
check "EXEC without MULTI" "$(cli EXEC 2>&1 || true)" "ERR EXEC without MULTI"
check "an error's text" "$(cli INCR greeting 2>&1 || true)" "ERR value is not an integer or out of range"
check "-e makes an error the exit code" "$(cli -e INCR greeting >/dev/null 2>&1 && echo 0 || echo $?)" 1
check "an unknown command's error" "$(cli NOSUCHCOMMAND x 2>&1 | cut -c1-19)" "ERR unknown command"
check "-r repeats on one connection" "$(cli -r 3 INCR r | tr '\n' ' ')" "1 2 3 "

check "--pipe inserts in bulk" \
    "$(for i in $(seq 2000); do printf 'SET bulk:%d %d\r\n' "$i" "$i"; done | cli --pipe | tail -1)" "errors: 0, replies: 2000"
check "--scan finds them" "$(cli --scan --pattern 'bulk:*' | sort -u | wc -l)" 2000
check "SCAN TYPE" "$(cli --scan --pattern 'bulk:1?' | wc -l)" 10
check "DBSIZE" "$(cli DBSIZE)" "$((2000 + 6))"
check "-3 speaks RESP3: HELLO is a map" "$(cli -3 --no-raw HELLO | grep -c '"proto" => (integer) 3')" 1
check "-3: a miss" "$(cli -3 --no-raw GET none)" "(nil)"
check "INFO has a keyspace line" "$(cli INFO keyspace | grep -c "^db$db:keys=2006,")" 1
check "OBJECT ENCODING has a word for it" "$(cli OBJECT ENCODING n | grep -cE '^(int|embstr|raw)$')" 1
check "COMMAND COUNT is a number" "$(cli COMMAND COUNT | grep -cE '^[0-9]+$')" 1
check "--tcp: the same data over TCP" "$(redis-cli -h "${LARDER_TCP%:*}" -p "${LARDER_TCP##*:}" -n "$db" GET greeting)" "hello, world"
check "--bigkeys walks the keys" "$(cli --bigkeys | grep -c 'Sampled 2006 keys in the keyspace')" 1
check "--memkeys asks for sizes" "$(cli --memkeys | grep -c 'Sampled 2006 keys in the keyspace')" 1
check "a database out of range" "$(redis-cli -s "$LARDER_SOCKET" SELECT 9999)" "ERR DB index is out of range"
check "FLUSHDB ASYNC" "$(cli FLUSHDB ASYNC)" OK
check "DBSIZE after it" "$(cli DBSIZE)" 0
echo "ok: $(redis-cli --version) ($count checks)"
