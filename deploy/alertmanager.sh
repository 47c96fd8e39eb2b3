#!/bin/sh
# Writes Alertmanager's configuration from .env, then starts it ("$@"): the service alertmanager of docker-compose.yml.
# ALERT_WEBHOOK: an incoming webhook as of Slack, Mattermost or Discord (…/slack). ALERT_MAIL: an address, sent to by
# SMTP_HOST (host:port) as SMTP_USER with SMTP_PASSWORD.
set -eu
configuration=${CONFIGURATION:-/tmp/alertmanager.yml}

quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/''/g")"; }

if [ -z "${ALERT_WEBHOOK:-}${ALERT_MAIL:-}" ]; then
    echo "Set ALERT_WEBHOOK or ALERT_MAIL in .env: the profile alerts has nobody to tell." >&2
    exit 1
fi
{
    echo "route: {receiver: keeper, group_by: [alertname], group_wait: ${GROUP_WAIT:-30s}, repeat_interval: 12h}"
    echo "receivers:"
    echo "  - name: keeper"
    if [ -n "${ALERT_WEBHOOK:-}" ]; then
        echo "    slack_configs:"
        echo "      - api_url: $(quoted "$ALERT_WEBHOOK")"
        echo "        send_resolved: true"
        echo "        title: '{{ .CommonLabels.alertname }} ({{ .Status }})'"
        echo "        text: '{{ range .Alerts }}{{ .Annotations.summary }} {{ end }}'"
    fi
    if [ -n "${ALERT_MAIL:-}" ]; then
        echo "    email_configs:"
        echo "      - to: $(quoted "$ALERT_MAIL")"
        echo "        from: $(quoted "${SMTP_FROM:-$ALERT_MAIL}")"
        echo "        smarthost: $(quoted "${SMTP_HOST:-localhost:25}")"
        echo "        auth_username: $(quoted "${SMTP_USER:-}")"
        echo "        auth_password: $(quoted "${SMTP_PASSWORD:-}")"
        echo "        send_resolved: true"
    fi
} > "$configuration"
exec "$@" --config.file="$configuration"
