# AIDOS as a container image: one image for every role, told apart by AIDOS_ROLES.
#   docker build -t aidos .
FROM node:24-slim

ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 AIDOS_DATA_DIR=/data
WORKDIR /app

# The packages change seldom: a layer of their own.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY bin ./bin
COPY src ./src

# Nothing of the program is writable by it; only its data is.
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node

EXPOSE 3000
# Alive and able to work: a process that has lost its database or its queue is unhealthy, and comes back by itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# Node is the first process itself, so that a stop reaches it.
CMD ["node", "bin/aidos.js", "start"]
