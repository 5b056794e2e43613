// Drains a backlog with @camunda8/sdk: node drain.mjs <node_modules> <address> <job type> <count>; prints a line of JSON.
import { createRequire } from 'node:module'
import path from 'node:path'

const [modules, address, taskType, wanted] = process.argv.slice(2)
const { Camunda8 } = createRequire(path.join(modules, 'none.js'))('@camunda8/sdk')

const client = new Camunda8({
	ZEEBE_GRPC_ADDRESS: `grpc://${address}`,
	CAMUNDA_AUTH_STRATEGY: 'NONE',
	CAMUNDA_OAUTH_DISABLED: true,
	CAMUNDA_SECURE_CONNECTION: false,
	zeebeGrpcSettings: { ZEEBE_CLIENT_LOG_LEVEL: 'NONE' },
}).getZeebeGrpcApiClient()

const count = Number(wanted)
let done = 0
const started = performance.now()
const cpu = process.cpuUsage()
client.createWorker({
	taskType,
	fetchVariable: ['number', 'claim'],
	taskHandler: async (job) => {
		const answer = await job.complete({ number: job.variables.number + 1, amount: job.variables.claim.amount })
		if (++done === count) {
			const used = process.cpuUsage(cpu)
			console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, cpu: (used.user + used.system) / 1e6 }))
			process.exit(0)
		}
		return answer
	},
})
