#!/bin/bash
# Sets up a guest: run as root, once, when a base image is built, and again in new projects where this file has changed.
# It is yours: edit it. A command that fails ends the setup, and what was being made is taken back.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# --- build tools, Docker with Compose, zsh --------------------------------------------------------------------------
apt-get -qq update
apt-get -qq install --yes build-essential curl wget git zsh ca-certificates unzip jq docker.io docker-compose-v2
usermod --append --groups docker worker
systemctl enable --now docker

# --- Oh My Zsh, Node.js LTS by nvm, Claude Code: worker's own -------------------------------------------------------
su - worker -c bash << 'WORKER'
set -euo pipefail
[ -d ~/.oh-my-zsh ] || git clone --quiet --depth 1 https://github.com/ohmyzsh/ohmyzsh.git ~/.oh-my-zsh
[ -e ~/.zshrc ] || cp ~/.oh-my-zsh/templates/zshrc.zsh-template ~/.zshrc
[ -d ~/.nvm ] || git clone --quiet --depth 1 --branch v0.40.3 https://github.com/nvm-sh/nvm.git ~/.nvm
for file in ~/.bashrc ~/.zshrc; do
    grep -q NVM_DIR "$file" || printf 'export NVM_DIR="$HOME/.nvm"\n[ -s "$NVM_DIR/nvm.sh" ] && . "$NVM_DIR/nvm.sh"\n' >> "$file"
done
set +u
export NVM_DIR="$HOME/.nvm"
. "$NVM_DIR/nvm.sh"
nvm install --lts
npm install --global @anthropic-ai/claude-code
WORKER
chsh --shell /usr/bin/zsh worker

# Commands that are run without a shell find these, too.
node=$(su - worker -c 'bash -c ". ~/.nvm/nvm.sh; nvm which --silent default"')
for program in node npm npx claude; do
    ln -sf "$(dirname "$node")/$program" "/usr/local/bin/$program"
done
