/** The table of commands, in the order in which the help lists them. What is heavy is loaded by a command when it runs. */
import type { Command } from './command.ts'
import { agentsCommand } from './commands/agents.ts'
import { bootstrapCommand } from './commands/bootstrap.ts'
import { deadLettersCommand } from './commands/dead-letters.ts'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { keysCommand } from './commands/keys.ts'
import { queuesCommand } from './commands/queues.ts'
import { runCommand, runsCommand } from './commands/run.ts'
import { schedulesCommand } from './commands/schedules.ts'
import { secretsCommand } from './commands/secrets.ts'
import { skillsCommand } from './commands/skills.ts'
import { devCommand, startCommand } from './commands/start.ts'
import { tasksCommand } from './commands/tasks.ts'
import { whoamiCommand } from './commands/whoami.ts'
import { workflowsCommand } from './commands/workflows.ts'

export const commands: readonly Command[] = [
  demoCommand,
  startCommand,
  devCommand,
  bootstrapCommand,
  runCommand,
  runsCommand,
  tasksCommand,
  deadLettersCommand,
  queuesCommand,
  agentsCommand,
  skillsCommand,
  workflowsCommand,
  schedulesCommand,
  keysCommand,
  secretsCommand,
  whoamiCommand,
  doctorCommand,
]
