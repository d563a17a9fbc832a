// What every Node client check uses: it counts what held and stops at the first thing that did not.
import { isDeepStrictEqual, inspect } from 'node:util'

export class Checks {
  count = 0

  constructor(name) {
    this.name = name
    // A promise nobody waited for, or an error event nobody listens to, is a failure too.
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, (error) => this.fail(event, inspect(error)))
    }
    // Some clients try to connect for ever.
    setTimeout(() => this.fail('a minute', `not done after ${this.count} checks`), 60_000).unref()
    // An error that no check expected, or nothing left to wait for (Node's exit code is 0 then) after a reply that
    // never came: neither reached `done`.
    process.on('exit', () => {
      if (!this.finished) this.fail('exit', `ended after ${this.count} checks`)
    })
  }

  /** Holds if `got` is deeply `want`; promises are awaited. */
  async equal(what, got, want) {
    got = await got
    if (!isDeepStrictEqual(got, want)) this.fail(what, `got ${shown(got)}, want ${shown(want)}`)
    this.count += 1
  }

  /** Holds if the promise is rejected with an error whose text has `text` in it. */
  async rejects(what, promise, text) {
    const [error] = await Promise.allSettled([promise])
    if (error.status !== 'rejected') this.fail(what, `gave ${shown(error.value)}, want an error with ${shown(text)}`)
    if (!String(error.reason).includes(text)) this.fail(what, `failed with ${error.reason}, want ${shown(text)} in it`)
    this.count += 1
  }

  /** Holds if what `store()` stored is there at once and gone after `ttlMs`, not much sooner. */
  async expires(what, store, read, ttlMs) {
    const started = performance.now()
    await store()
    const there = async () => (await read()) != null
    await this.equal(`${what}: there at first`, there(), true)
    while (await there()) {
      if (performance.now() - started > ttlMs + 2000) this.fail(what, `still there 2 s after its ${ttlMs} ms were over`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    // A millisecond of rounding is the server's to give away.
    const lived = performance.now() - started
    await this.equal(`${what}: lived ${lived} ms of ${ttlMs} ms`, lived >= ttlMs - 2, true)
  }

  fail(what, how) {
    this.finished = true
    console.error(`FAILED: ${this.name}: ${what}: ${how}`)
    process.exit(1)
  }

  /** Prints the closing line. */
  done() {
    this.finished = true
    console.log(`ok: ${this.name} (${this.count} checks)`)
  }
}

/** Bytes of every value, CRLF among them, repeated to 1 MiB. */
export const MEGABYTE = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7) & 0xff))

function shown(value) {
  const text = inspect(value, { breakLength: Infinity })
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`
}
