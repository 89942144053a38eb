// ObjectStack's own client and schemas, as they come from npm, against `runlog serve --http`.
// Usage: node check.mjs RUNLOG SAMPLE.ndjson
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { ObjectStackClient } from '@objectstack/client';
import { ApiErrorSchema, GetRunResponseSchema, ListRunsResponseSchema } from '@objectstack/spec/api';
import { ExecutionLogSchema } from '@objectstack/spec/automation';

const [runlog, sample] = process.argv.slice(2);
const data = mkdtempSync(join(tmpdir(), 'runlog-objectstack-'));
const stored = readFileSync(sample, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line));
const flow = stored[0].flowName;
const ofFlow = stored.filter(run => run.flowName === flow);

function run(input, ...args) {
  return execFileSync(runlog, [...args, '--data', data], { input, encoding: 'utf8' });
}

function suspended(id) {
  return JSON.stringify({
    runId: id, flowName: flow, nodeId: 'approve', variables: { amount: 5 }, steps: [],
    context: { userId: 'usr_1', trigger: { type: 'manual' } }, startedAt: '2026-10-20T00:00:00.000Z',
  });
}

async function serve() {
  const server = spawn(runlog, ['serve', '--data', data, '--listen', `unix:${join(data, 'socket')}`,
    '--http', '127.0.0.1:0', '--anonymous', 'default'], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: server.stdout })) {
    const found = line.match(/^listening (http:\/\/\S+)/);
    if (found) return { server, address: found[1].replace(/\/$/, '') };
  }
  throw new Error('the server did not say where it listens');
}

// The raw answer of a path, for what the client unwraps.
async function raw(address, path) {
  const response = await fetch(address + path);
  return { status: response.status, body: await response.json() };
}

async function refused(promise) {
  try { await promise; } catch (error) { return error; }
  return assert.fail('the server took what it should have refused');
}

const checks = {
  async 'the client lists a flow page by page, and every run fits the schema'({ client }) {
    const seen = [];
    let page = { hasMore: true };
    while (page.hasMore) {
      page = await client.automation.runs.list(flow, { limit: 7, cursor: page.nextCursor });
      assert.ok(page.runs.length <= 7);
      for (const each of page.runs) ExecutionLogSchema.parse(each);
      seen.push(...page.runs.map(each => each.id));
    }
    assert.equal(page.total, ofFlow.length + 1);
    assert.deepEqual(seen.sort(), [...ofFlow.map(each => each.runId), 'run_waiting'].sort());
  },

  async 'the whole answers fit the schemas of the protocol'({ address }) {
    const list = await raw(address, `/api/v1/automation/${flow}/runs?limit=100`);
    assert.equal(list.status, 200);
    ListRunsResponseSchema.parse(list.body);
    const one = await raw(address, `/api/v1/automation/${flow}/runs/${ofFlow[0].runId}`);
    GetRunResponseSchema.parse(one.body);
  },

  async 'the client filters by every status'({ client }) {
    for (const status of ['completed', 'failed', 'cancelled', 'timed_out']) {
      const page = await client.automation.listRuns(flow, { status, limit: 100 });
      assert.equal(page.total, ofFlow.filter(each => each.status === status).length, status);
      assert.ok(page.runs.every(each => each.status === status));
    }
    assert.deepEqual((await client.automation.listRuns(flow, { status: 'paused' })).runs.map(r => r.id),
      ['run_waiting']);
    for (const status of ['pending', 'running', 'retrying']) {
      assert.equal((await client.automation.listRuns(flow, { status })).total, 0);
    }
  },

  async 'the client gets a run with its steps, its summary and its error'({ client }) {
    for (const run of ofFlow.slice(0, 20)) {
      const got = await client.automation.getRun(flow, run.runId);
      ExecutionLogSchema.parse(got);
      assert.equal(got.id, run.runId);
      assert.equal(got.status, run.status);
      assert.equal(got.startedAt, run.startedAt);
      assert.equal(got.completedAt, run.finishedAt);
      assert.equal(got.durationMs, run.durationMs);
      assert.equal(got.trigger.type, run.triggerType ?? '');
      assert.equal(got.trigger.userId, run.userId);
      assert.deepEqual(got.steps, run.steps ?? []);
      assert.deepEqual(got.summary, run.summary);
      if (run.error) assert.ok(got.error.message);
    }
    const waiting = await client.automation.runs.get(flow, 'run_waiting');
    assert.equal(waiting.status, 'paused');
    assert.deepEqual(waiting.variables, { amount: 5 });
  },

  async 'the client understands refusals'({ client, address }) {
    const unknown = await refused(client.automation.getRun(flow, 'run_nobody'));
    assert.equal(unknown.httpStatus, 404);
    assert.equal(unknown.code, 'RESOURCE_NOT_FOUND');
    const elsewhere = await refused(client.automation.getRun('another_flow', ofFlow[0].runId));
    assert.equal(elsewhere.code, 'RESOURCE_NOT_FOUND');
    const status = await refused(client.automation.listRuns(flow, { status: 'broken' }));
    assert.equal(status.httpStatus, 400);
    assert.equal(status.code, 'VALIDATION_FAILED');
    assert.equal(status.fields[0].field, 'status');
    const limit = await refused(client.automation.listRuns(flow, { limit: 101 }));
    assert.equal(limit.fields[0].field, 'limit');
    for (const query of ['status=broken', 'limit=0', 'limit=1&limit=2', 'cursor=x', 'status=%zz']) {
      const answer = await raw(address, `/api/v1/automation/${flow}/runs?${query}`);
      assert.equal(answer.status, 400, query);
      assert.equal(answer.body.success, false);
      ApiErrorSchema.parse(answer.body.error);
    }
  },

  async 'the client connects'({ client }) {
    await client.connect();
    assert.equal((await client.automation.listRuns(flow)).total, ofFlow.length + 1);
  },
};

let failed = 0, server;
try {
  run('', 'retention', 'set', '--max-age', 'none', '--max-per-flow', 'none');
  run(readFileSync(sample), 'import');
  run(suspended('run_waiting'), 'paused', 'save');
  const started = await serve();
  server = started.server;
  const client = new ObjectStackClient({ baseUrl: started.address });
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check({ client, address: started.address });
      console.log(`ok: ${name}`);
    } catch (error) {
      ++failed;
      console.log(`FAILED: ${name}\n${error.stack}`);
    }
  }
} finally {
  if (server && server.exitCode === null && server.signalCode === null) {
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    await exited;  // it writes to its files until then
  }
  rmSync(data, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
