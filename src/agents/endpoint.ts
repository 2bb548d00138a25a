/** Where an agent's model is, and which key goes there. */
import type { RevealSecret } from '../secrets/index.ts'
import type { AgentConfig } from './config.ts'
import { agentErrors } from './errors.ts'

export interface DefaultModel {
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly model: string
}

/** The operator's key is for the operator's address: an agent that names another one calls it without. */
export const endpointOf = ({ model }: AgentConfig, defaultModel: DefaultModel | undefined): DefaultModel => {
  if (model.baseUrl !== undefined && model.name !== undefined)
    return {
      baseUrl: model.baseUrl,
      apiKey: model.baseUrl === defaultModel?.baseUrl ? defaultModel.apiKey : undefined,
      model: model.name,
    }
  const name = model.name ?? defaultModel?.model
  if (defaultModel && name) return { ...defaultModel, model: name }
  throw agentErrors.agent_model_missing(
    'the agent names no model and there is no default one: set model.baseUrl and model.name of the agent, or MODEL_BASE_URL and MODEL_NAME',
  )
}

/** The key of the agent's own, by its name in the secret store, goes before any other. */
export const keyOf = async (
  { model }: AgentConfig,
  endpoint: DefaultModel,
  { tenantId, projectId, revealSecret }: { tenantId: string; projectId: string | null; revealSecret: RevealSecret },
): Promise<string | undefined> => {
  if (!model.apiKey) return endpoint.apiKey
  return revealSecret({ tenantId, projectId, reference: model.apiKey, url: endpoint.baseUrl })
}
