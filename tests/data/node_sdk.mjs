// Camunda's own Node SDKs, as their users set them, against an engine: node node_sdk.mjs GRPC REST [TOKEN_URL CLIENT_ID CLIENT_SECRET]
// Wants @camunda8/sdk, @camunda8/orchestration-cluster-api and one.bpmn (process one-task, job type work) beside it.
import { Camunda8 } from '@camunda8/sdk';
import { createCamundaClient } from '@camunda8/orchestration-cluster-api';
import assert from 'node:assert/strict';

const [grpc, rest, tokens, id, secret] = process.argv.slice(2);
const audience = 'orchestration-api';
const oauth = tokens
  ? { CAMUNDA_AUTH_STRATEGY: 'OAUTH', CAMUNDA_OAUTH_URL: tokens, CAMUNDA_CLIENT_ID: id, CAMUNDA_CLIENT_SECRET: secret, CAMUNDA_TOKEN_AUDIENCE: audience }
  : { CAMUNDA_AUTH_STRATEGY: 'NONE' };
const older = tokens
  ? { ZEEBE_CLIENT_ID: id, ZEEBE_CLIENT_SECRET: secret, CAMUNDA_ZEEBE_OAUTH_AUDIENCE: audience, ZEEBE_TOKEN_AUDIENCE: audience, CAMUNDA_TOKEN_DISK_CACHE_DISABLE: true }
  : { CAMUNDA_OAUTH_DISABLED: true };

// gRPC: deploy, start, work.
const camunda = new Camunda8({ ZEEBE_GRPC_ADDRESS: `grpc://${grpc}`, ZEEBE_REST_ADDRESS: rest, ...oauth, ...older });
const zeebe = camunda.getZeebeGrpcApiClient();
assert.match((await zeebe.topology()).gatewayVersion, /^8\./);
assert.equal((await zeebe.deployResource({ processFilename: './one.bpmn' })).deployments[0].process.bpmnProcessId, 'one-task');
await zeebe.createProcessInstance({ bpmnProcessId: 'one-task', variables: { a: 1 } });
const worker = await new Promise((done) => {
  const running = zeebe.createWorker({
    taskType: 'work',
    taskHandler: async (job) => {
      const receipt = await job.complete({ b: 2 });
      done(running);
      return receipt;
    },
  });
});
await worker.close();
await zeebe.close();

// REST, the SDK's own client.
const api = camunda.getCamundaRestClient();
assert.equal((await api.deployResourcesFromFiles(['./one.bpmn'])).processes[0].processDefinitionId, 'one-task');
const second = await api.createProcessInstance({ processDefinitionId: 'one-task', variables: { x: 1 } });
const filter = { processInstanceKey: second.processInstanceKey };
const found = await api.searchProcessInstances({ filter, sort: [{ field: 'startDate' }] });
assert.deepEqual(found.items.map((one) => one.state), ['ACTIVE']);
const variables = await api.searchVariables({ filter, sort: [{ field: 'name' }] });
assert.deepEqual(variables.items.map((one) => [one.name, one.value]), [['x', '1']]);
const jobs = await api.activateJobs({ type: 'work', worker: 'w', maxJobsToActivate: 10, timeout: 10000 });
assert.equal(jobs.length, 1);
await jobs[0].complete({});

// REST, the newer client, which checks every answer against Camunda's description.
const client = createCamundaClient({ config: { CAMUNDA_REST_ADDRESS: rest, ...oauth } });
assert.equal((await client.getAuthentication()).username, tokens ? id : 'development');
const third = await client.createProcessInstance({ processDefinitionId: 'one-task', variables: { y: 2 } });
const asked = { filter: { processInstanceKey: third.processInstanceKey } };
assert.equal((await client.searchProcessInstances(asked, { consistency: { waitUpToMs: 5000 } })).items.length, 1);
await client.cancelProcessInstance({ processInstanceKey: third.processInstanceKey });
assert.equal((await client.searchUserTasks({ filter: { state: 'CREATED' } }, { consistency: { waitUpToMs: 0 } })).items.length, 0);
console.log('everything was as expected');
process.exit(0);
