// Runs tests of the public suite, one after the other: its results as JSON on stdout.
// Usage: node alone.mjs BASE-URL ID...
import fetch from 'node-fetch'
import suites from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'

const [base, ...ids] = process.argv.slice(2)
suites.push(surrogate)
const chosen = suites.map(suite => ({ ...suite, tests: suite.tests.filter(test => ids.includes(test.id)) }))
await runTests(chosen, fetch, false, base, 1)
console.log(JSON.stringify(getResults()))
