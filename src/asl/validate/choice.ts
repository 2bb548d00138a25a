/** Checks the rules of a Choice. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { COMPARE_OPERATORS, TYPE_OPERATORS } from '../choice-operators.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isExpression } from '../query/jsonata.ts'
import { isObject } from '../values.ts'
import { checkExpression, checkPath } from './expressions.ts'
import { type Place, requireFields } from './report.ts'
import { checkValue } from './values.ts'

export const checkChoices = (choices: Json | undefined, language: QueryLanguage, place: Place): void => {
  if (!Array.isArray(choices)) return
  if (choices.length === 0) place.error('INVALID_VALUE', 'must have at least one rule')
  for (let i = 0; i < choices.length; i++) {
    const rule = choices[i]!
    const at = place.at(i)
    if (!isObject(rule)) {
      at.error('INVALID_VALUE', 'must be an object')
      continue
    }
    requireFields(rule, ['Next'], at)
    if (rule.Next !== undefined) checkValue(rule.Next, 'text', 'JSONPath', at.at('Next'))
    if (rule.Assign !== undefined) checkValue(rule.Assign, 'assign', language, at.at('Assign'))
    if (language === 'JSONata') checkConditionRule(rule, at)
    else checkRule(rule, true, at)
  }
}

const CONDITION_FIELDS = ['Condition', 'Next', 'Assign', 'Output', 'Comment']

const checkConditionRule = (rule: JsonObject, place: Place): void => {
  for (const key of Object.keys(rule)) {
    if (!CONDITION_FIELDS.includes(key))
      place.at(key).error('NOT_ALLOWED', `'${key}' does not belong to a JSONata rule`)
  }
  const { Condition, Output } = rule
  if (Condition === undefined) requireFields(rule, ['Condition'], place)
  else if (isExpression(Condition)) checkExpression(Condition, place.at('Condition'))
  else if (typeof Condition !== 'boolean') {
    place.at('Condition').error('INVALID_VALUE', 'must be an expression {% … %} or a boolean')
  }
  if (Output !== undefined) checkValue(Output, 'template', 'JSONata', place.at('Output'))
}

const BESIDE_OPERATOR = ['Variable', 'Next', 'Assign', 'Comment']
const JOINING = ['And', 'Or', 'Not']

/** Only a rule at the top says where to go and what to assign. */
const checkRule = (rule: Json, isTop: boolean, place: Place): void => {
  if (!isObject(rule)) {
    place.error('INVALID_VALUE', 'must be an object')
    return
  }
  const operators = Object.keys(rule).filter((key) => !BESIDE_OPERATOR.includes(key))
  if (!isTop && rule.Next !== undefined) place.at('Next').error('NOT_ALLOWED', "'Next' belongs to the rule at the top")
  const operator = operators[0]
  if (operator === undefined) place.error('MISSING_FIELD', 'a rule needs an operator such as StringEquals')
  else if (operators.length > 1) {
    place.error('NOT_ALLOWED', `a rule has one operator, not ${operators.join(', ')}`)
  } else if (JOINING.includes(operator)) checkJoining(operator, rule, place)
  else {
    if (rule.Variable === undefined) requireFields(rule, ['Variable'], place)
    else checkPath(rule.Variable, place.at('Variable'))
    checkOperand(operator, rule[operator]!, place.at(operator))
  }
}

const checkJoining = (operator: string, rule: JsonObject, place: Place): void => {
  const at = place.at(operator)
  const value = rule[operator]!
  if (rule.Variable !== undefined) {
    place.at('Variable').error('NOT_ALLOWED', `'Variable' does not go with '${operator}'`)
  }
  if (operator === 'Not') checkRule(value, false, at)
  else if (!Array.isArray(value) || value.length === 0) at.error('INVALID_VALUE', 'must be a non-empty array of rules')
  else for (let i = 0; i < value.length; i++) checkRule(value[i]!, false, at.at(i))
}

const checkOperand = (operator: string, operand: Json, place: Place) => {
  if (TYPE_OPERATORS.has(operator) || operator === 'IsPresent') return checkValue(operand, 'boolean', 'JSONPath', place)
  if (operator === 'StringMatches') return checkValue(operand, 'text', 'JSONPath', place)
  const kind = COMPARE_OPERATORS.get(operator)?.kind
  if (kind === 'number') {
    if (typeof operand !== 'number') place.error('INVALID_VALUE', 'must be a number')
  } else if (kind === 'string') checkValue(operand, 'text', 'JSONPath', place)
  else if (kind !== undefined) checkValue(operand, kind, 'JSONPath', place)
  else if (operator.endsWith('Path') && COMPARE_OPERATORS.has(operator.slice(0, -4))) checkPath(operand, place)
  else place.error('UNKNOWN_FIELD', `'${operator}' is not an operator`)
}
