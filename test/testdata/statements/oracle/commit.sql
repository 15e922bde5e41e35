commit write immediate wait
