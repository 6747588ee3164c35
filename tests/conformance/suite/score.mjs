// Scores results of the public suite as the suite itself does: [{id, kind, outcome, why}] on stdout.
// Usage: node score.mjs RESULTS.json
import { readFileSync } from 'node:fs'
import suites from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import { determineTestResult } from 'http-cache-tests/lib/display.mjs'

const results = JSON.parse(readFileSync(process.argv[2]))
// The suite's command line adds these as well.
suites.push(surrogate)
const scored = []
for (const suite of suites) {
  for (const test of suite.tests) {
    if (test.browser_only === true) continue
    scored.push({
      id: test.id,
      kind: test.kind ?? 'required',
      outcome: determineTestResult(suites, test.id, results)[2],
      why: results[test.id] === true ? '' : String(results[test.id])
    })
  }
}
console.log(JSON.stringify(scored))
