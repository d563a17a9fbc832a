//! The commands that are generated, with every option that they have: the list that coverage is counted against.
//!
//! A line is a weight, a name (`|` before a subcommand; in front `?` when the subject need not have it, `!` when
//! no server has it) and what follows the name: `WORDS` are options, `words` are kinds of arguments (`kinds.rs`), `[a|b]` is one of them or
//! nothing, `(a|b)` one of them, `{a b}` all of them in any order, `...` once or more often.
//!
//! Not here, because its replies are none: CLIENT REPLY, a step of its own.

/// See the head of this file.
pub(crate) const TABLE: &str = "
    # Strings
    30 GET key
    30 SET key value {[NX|XX] [GET] [EX sec|PX ms|EXAT unixsec|PXAT unixms|KEEPTTL]}
    10 SET key value
    12 SET nkey int {[NX|XX] [GET] [EX sec|PX ms|EXAT unixsec|PXAT unixms|KEEPTTL]}
     8 SET fkey float
     6 SETEX key sec value
     6 PSETEX key ms value
     6 SETNX key value
     5 GETSET key value
     6 GETDEL key
    14 GETEX key [EX sec|PX ms|EXAT unixsec|PXAT unixms|PERSIST]
     8 MGET key...
     8 MSET (key value)...
     6 MSETNX (key value)...
     8 INCR nkey
     8 DECR nkey
     8 INCRBY nkey int
     8 DECRBY nkey int
    12 INCRBYFLOAT fkey float
     8 APPEND key value
     8 STRLEN key
    12 GETRANGE key index index
     4 ?SUBSTR key index index
    12 SETRANGE key offset value

    # Bits
    10 SETBIT key bitoffset bit
     8 GETBIT key bitoffset
    14 BITCOUNT key [index index [BYTE|BIT]]
    14 BITPOS key bit [index [index [BYTE|BIT]]]
    12 BITOP (AND key key...|OR key key...|XOR key key...|NOT key key)
    16 BITFIELD key (GET bittype fieldoffset|SET bittype fieldoffset int|INCRBY bittype fieldoffset int|OVERFLOW (WRAP|SAT|FAIL) INCRBY bittype fieldoffset int)...
     6 BITFIELD_RO key (GET bittype fieldoffset)...
     4 BITFIELD key

    # Keys
    10 DEL key...
     6 UNLINK key...
     8 EXISTS key...
     6 TOUCH key...
    12 EXPIRE key sec [NX|XX|GT|LT|XX GT|LT XX|NX GT|GT LT]
    12 PEXPIRE key ms [NX|XX|GT|LT|XX GT|LT XX|NX GT|GT LT]
    10 EXPIREAT key unixsec [NX|XX|GT|LT|XX GT|LT XX|NX GT|GT LT]
    12 PEXPIREAT key unixms [NX|XX|GT|LT|XX GT|LT XX|NX GT|GT LT]
     6 EXPIRETIME key
     6 PEXPIRETIME key
     8 PERSIST key
     8 TTL key
     8 PTTL key
     6 TYPE key
     8 RENAME key key
     8 RENAMENX key key
    12 COPY key key {[DB db] [REPLACE]}
     6 ?MOVE key db
     3 RANDOMKEY
     8 SCAN cursor {[MATCH pattern] [COUNT count] [TYPE type]}
     8 KEYS pattern
     6 DBSIZE
     4 FLUSHDB [ASYNC|SYNC]
     3 FLUSHALL [ASYNC|SYNC]
     4 SWAPDB db db
     4 OBJECT|ENCODING key
     4 OBJECT|REFCOUNT key
     4 OBJECT|IDLETIME key
     4 OBJECT|FREQ key
     2 ?OBJECT|HELP
     5 MEMORY|USAGE key [SAMPLES count]
     2 ?MEMORY|HELP
     1 ?MEMORY|DOCTOR
     1 ?MEMORY|STATS
     1 ?MEMORY|PURGE
     1 ?MEMORY|MALLOC-STATS

    # Transactions
    10 MULTI
    10 EXEC
     4 DISCARD
     8 WATCH key...
     4 UNWATCH

    # The connection
    10 HELLO [proto {[AUTH user password] [SETNAME name]}]
     3 AUTH [user] password
     8 SELECT db
     4 PING [value]
     4 ECHO value
     2 QUIT
     4 RESET
     3 CLIENT|ID
     3 CLIENT|INFO
     8 CLIENT|LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)|ID clientid...]
     4 CLIENT|SETNAME name
     4 CLIENT|GETNAME
     4 CLIENT|SETINFO (LIB-NAME|LIB-VER) name
     3 CLIENT|NO-EVICT (ON|OFF)
     3 CLIENT|NO-TOUCH (ON|OFF)
    10 CLIENT|KILL ID noclient {[ADDR address] [LADDR address] [TYPE (NORMAL|MASTER|REPLICA|SLAVE|PUBSUB)] [USER user] [SKIPME (YES|NO)]}
     3 CLIENT|KILL (address|ADDR address|LADDR address)
     4 CLIENT|PAUSE pausems [WRITE|ALL]
     3 CLIENT|UNPAUSE
     4 CLIENT|UNBLOCK noclient [TIMEOUT|ERROR]
     2 ?CLIENT|HELP

    # The server
     4 INFO section...
     1 INFO
     4 CONFIG|GET parameter...
     6 CONFIG|SET setting...
     2 CONFIG|RESETSTAT
     2 ?CONFIG|HELP
     1 COMMAND
     2 COMMAND|COUNT
     3 COMMAND|DOCS command...
     4 COMMAND|INFO command...
     6 COMMAND|LIST [FILTERBY (MODULE name|ACLCAT category|PATTERN pattern)]
    12 COMMAND|GETKEYS (GET key|SET key value|MSET (key value)...|DEL key...|BITOP AND key key...|COPY key key|OBJECT ENCODING key|MEMORY USAGE key|keyless)
     5 ?COMMAND|GETKEYSANDFLAGS (GET key|SET key value|COPY key key)
     2 ?COMMAND|HELP
     3 TIME
     2 ROLE
     4 WAIT replicas waitms
     2 LASTSAVE
     2 MODULE|LIST
     1 ?MODULE|HELP
     3 SLOWLOG|GET [slowcount]
     2 SLOWLOG|LEN
     2 SLOWLOG|RESET
     1 ?SLOWLOG|HELP
     2 LATENCY|LATEST
     2 LATENCY|HISTORY event
     2 LATENCY|RESET [event...]
     1 ?LATENCY|DOCTOR
     2 ?LATENCY|GRAPH event
     2 ?LATENCY|HISTOGRAM [command...]
     1 ?LATENCY|HELP
     3 !NOSUCHCOMMAND value...
";
